import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from e2e3d.errors import InputError
from e2e3d.ops.evaluation.camera_errors import camera_error


def poses_of(rotations: np.ndarray, centers: np.ndarray) -> dict[str, np.ndarray]:
    translations = -np.einsum("nij,nj->ni", rotations, centers)
    return {
        f"{i}": np.concatenate([r, t[:, None]], 1) for i, (r, t) in enumerate(zip(rotations, translations, strict=True))
    }


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3))
def test_a_similarity_of_the_reference_has_no_error(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    rotations, centers = Rotation.random(6, rng=rng).as_matrix(), rng.normal(size=(6, 3))
    turn, shift = Rotation.random(rng=rng).as_matrix(), rng.normal(size=3)
    moved = poses_of(rotations @ turn.T, scale * centers @ turn.T + shift)
    error = camera_error(moved, poses_of(rotations, centers))
    assert error.position_max < 1e-8
    assert error.rotation_max_deg < 1e-5


def test_a_rotated_camera_shows_its_angle() -> None:
    rng = np.random.default_rng(1)
    rotations, centers = Rotation.random(5, rng=rng).as_matrix(), rng.normal(size=(5, 3))
    wrong = rotations.copy()
    wrong[2] = Rotation.from_rotvec([0, np.radians(3), 0]).as_matrix() @ wrong[2]
    error = camera_error(poses_of(wrong, centers), poses_of(rotations, centers) | {"more": np.eye(3, 4)})
    assert error.rotation_max_deg == pytest.approx(3, abs=1e-9)
    assert error.rotation_median_deg == pytest.approx(0, abs=1e-5)
    assert (error.registered, error.expected) == (5, 6)


def test_a_camera_out_of_plane_shows_the_residual_of_the_best_fit() -> None:
    centers = np.array([[1, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]], float)
    rotations = np.tile(np.eye(3), (4, 1, 1))
    saddle = centers + np.array([[0, 0, 0.1], [0, 0, -0.1], [0, 0, -0.1], [0, 0, 0.1]])
    error = camera_error(poses_of(rotations, saddle), poses_of(rotations, centers))
    scale = 8 / (8 + 4 * 0.01)  # of the best similarity: the saddle cannot be turned away
    expected = np.hypot(np.sqrt(2) * (1 - scale), 0.1 * scale)
    assert error.position_median == pytest.approx(expected, abs=1e-9)
    assert error.position_max == pytest.approx(expected, abs=1e-9)


def test_two_common_cameras_are_too_few() -> None:
    poses = poses_of(np.tile(np.eye(3), (2, 1, 1)), np.eye(3)[:2])
    with pytest.raises(InputError, match="Only 2"):
        camera_error(poses, poses)
