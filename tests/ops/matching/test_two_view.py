import numpy as np
import pytest

from e2e3d.data.photo import CameraGuess
from e2e3d.ops.matching.match_graph import pair_motions
from e2e3d.ops.matching.two_view import colmap_camera, verify_pair
from tests.ops.synthetic_sfm import HEIGHT, WIDTH, K, arc_poses, make_set, match_by_points, project, turning_poses


def two_views(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = make_set(poses).points
    (x1, seen1), (x2, seen2) = project(points, poses[0]), project(points, poses[-1])
    both = seen1 & seen2
    return x1[both], x2[both]


def test_wrong_matches_are_dropped_and_right_ones_stay() -> None:
    x1, x2 = two_views(arc_poses(3))
    matches = np.stack([np.arange(len(x1))] * 2, 1).astype(np.uint32)
    wrong = np.arange(0, len(matches), 4)
    matches[wrong, 1] = np.roll(wrong, 1)
    camera = colmap_camera(CameraGuess("g", 1000.0, "intrinsics", (1000.0, 1000.0, 590.0, 460.0)), WIDTH, HEIGHT)
    found = verify_pair(x1, x2, matches, camera, camera, 2.0, 15)
    right = {i for i in range(len(matches)) if i not in set(wrong.tolist())}
    assert right <= set(found.matches[:, 0].tolist())
    assert len(found.matches) < len(right) + 0.2 * len(wrong)
    assert found.configuration == 2
    E = found.matrices[0]
    rays1, rays2 = (np.c_[x, np.ones(len(x))] @ np.linalg.inv(K).T for x in (x1, x2))
    assert np.abs(np.einsum("ni,ij,nj->n", rays2, E / np.linalg.norm(E), rays1)).max() < 1e-3
    again = verify_pair(x1, x2, matches, camera, camera, 2.0, 15)
    np.testing.assert_array_equal(found.matches, again.matches)


def test_too_few_matches_are_none() -> None:
    camera = colmap_camera(CameraGuess("g", 1000.0, "guess"), WIDTH, HEIGHT)
    matches = np.stack([np.arange(10)] * 2, 1).astype(np.uint32)
    found = verify_pair(np.zeros((10, 2)), np.zeros((10, 2)), matches, camera, camera, 2.0, 15)
    assert len(found.matches) == 0
    assert found.configuration == 0


@pytest.mark.parametrize("focal", [1.0, 0.6, 1.7], ids=["known", "short", "long"])
@pytest.mark.parametrize(
    ("poses", "motion"),
    [(arc_poses(4), "general"), (turning_poses(4), "rotation"), (np.repeat(arc_poses(1), 4, axis=0), "still")],
    ids=["moved", "turned", "still"],
)
def test_the_motion_between_photographs_is_told(poses: np.ndarray, motion: str, focal: float) -> None:
    scene = make_set(poses, known_intrinsics=False)
    block = match_by_points(scene)
    thought = K * np.array([[focal, 1, 1], [1, focal, 1], [1, 1, 1]])
    keypoints = [features.keypoints_px for features in scene.features]
    assert pair_motions([block], keypoints, np.broadcast_to(thought, (4, 3, 3))) == (motion,) * 6


def test_the_first_camera_model_follows_what_is_known() -> None:
    given = colmap_camera(CameraGuess("g", 900.0, "intrinsics", (900.0, 901.0, 600.0, 450.0)), WIDTH, HEIGHT)
    assert given.model_name == "PINHOLE"
    assert given.has_prior_focal_length
    guessed = colmap_camera(CameraGuess("g", 900.0, "guess"), WIDTH, HEIGHT)
    assert guessed.model_name == "SIMPLE_RADIAL"
    assert list(guessed.params) == [900.0, 600.0, 450.0, 0.0]
    assert not guessed.has_prior_focal_length
