"""What stands still is told from exact sets: marks in the image before a subject that moves, and honest stillness."""

import numpy as np
import pytest

from e2e3d.data.features import MatchBlock
from e2e3d.ops.matching.still_matches import describe_still, epipolar_distances_px, find_still, without_still
from e2e3d.ops.sample.sample_scene import look_at
from tests.ops.synthetic_sfm import HEIGHT, WIDTH, K, SyntheticSet, arc_poses, make_set, match_all, with_marks


def keypoints_of(scene: SyntheticSet) -> list[np.ndarray]:
    return [feature.keypoints_px for feature in scene.features]


def still_in(scene: SyntheticSet, block: MatchBlock) -> list[np.ndarray]:
    return find_still(keypoints_of(scene), [(WIDTH, HEIGHT)] * len(scene.photos), [block])


@pytest.mark.parametrize(("points", "marks"), [(500, 60), (300, 900)])
def test_marks_are_found_and_nothing_else(points: int, marks: int) -> None:
    """A watermark on a textured subject, and a fixed background that has most of all matches."""
    scene = with_marks(make_set(arc_poses(6), points), marks)
    block = match_all(scene)
    still = still_in(scene, block)
    is_mark = [ids < 0 for ids in scene.point_ids]
    assert sum((a & ~b).sum() for a, b in zip(still, is_mark, strict=True)) == 0
    assert sum((a & b).sum() for a, b in zip(still, is_mark, strict=True)) > 0.9 * sum(b.sum() for b in is_mark)
    for p, (first, second) in enumerate(block.pairs.tolist()):
        left = without_still(block, still, 15)
        matches = left.matches[left.offsets[p] : left.offsets[p + 1]]
        assert len(matches) > 50
        same = scene.point_ids[first][matches[:, 0]] == scene.point_ids[second][matches[:, 1]]
        assert (same & (scene.point_ids[first][matches[:, 0]] >= 0)).mean() > 0.95
    parts = describe_still(keypoints_of(scene), still, [block], None)
    assert parts is not None
    assert parts.shares.min() > 0.05
    assert len(parts.positions_px) == len(parts.photo_index) == sum(a.sum() for a in still)


def test_marks_join_no_photographs_that_show_different_things() -> None:
    """Two subjects with one watermark: its matches alone verify pairs across, and must go."""
    near, other = make_set(arc_poses(4), 400), make_set(arc_poses(4), 400, seed=8)
    both = SyntheticSet(
        near.photos + other.photos,
        near.features + other.features,
        np.concatenate([near.poses, other.poses]),
        near.points,
        near.point_ids + tuple(ids + 400 for ids in other.point_ids),
    )
    scene = with_marks(both, 60)
    block = match_all(scene, [(0, 1), (0, 2), (1, 2), (4, 5), (4, 6), (5, 6), (0, 4), (1, 5), (2, 6)])
    assert (np.diff(block.offsets)[6:] > 15).all()
    left = without_still(block, still_in(scene, block), 15)
    assert (np.diff(left.offsets)[6:] == 0).all()
    assert (np.diff(left.offsets)[:6] > 50).all()


def hardly_moving() -> np.ndarray:
    return np.array([look_at(np.array([0.002 * i, -6.0, 1.5]), np.array([0.0, 0.0, 1.0])) for i in range(5)])


def copies() -> np.ndarray:
    return np.repeat(arc_poses(1), 5, axis=0)


def sideways() -> np.ndarray:
    ahead = look_at(np.array([0.0, -6.0, 1.0]), np.array([0.0, 0.0, 1.0]))[:, :3]
    centres = np.array([[0.25 * i, -6.0, 1.0] for i in range(5)])
    return np.array([np.column_stack([ahead, -ahead @ centre]) for centre in centres])


@pytest.mark.parametrize("poses", [hardly_moving(), copies(), sideways(), arc_poses(5)])
def test_honest_sets_keep_all(poses: np.ndarray) -> None:
    scene = make_set(poses, 400)
    block = match_all(scene)
    assert not any(of_photo.any() for of_photo in still_in(scene, block))
    assert len(block.still) <= 2


def test_a_far_background_stays_where_the_camera_only_moves_sideways() -> None:
    """Points at infinity stand still as marks do, but agree with the motion of the near ones."""
    scene = with_marks(make_set(sideways(), 300), 500)
    assert not any(of_photo.any() for of_photo in still_in(scene, match_all(scene)))


def test_matching_leaves_out_all_that_stands_still_where_it_is_known_to_be_background() -> None:
    scene = with_marks(make_set(arc_poses(3), 60), 300)
    block = match_all(scene, moving_only=True)
    assert (np.diff(block.offsets) >= 15).all()
    for p, (first, _) in enumerate(block.pairs.tolist()):
        marks = scene.point_ids[first][block.matches[block.offsets[p] : block.offsets[p + 1], 0]] < 0
        assert marks.sum() <= 1  # by the noise of its place


def test_epipolar_distance_is_that_of_the_shifted_point() -> None:
    """Sideways motion: epipolar lines are rows, and d off in one picture is a Sampson distance of d / sqrt(2)."""
    F = np.linalg.inv(K).T @ np.array([[0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]) @ np.linalg.inv(K)
    x1 = np.array([[100.0, 200], [300, 400]])
    x2 = np.array([[150.0, 200], [310, 403]])
    np.testing.assert_allclose(epipolar_distances_px(F, x1, x2), [0, 3 / np.sqrt(2)], atol=1e-9)
