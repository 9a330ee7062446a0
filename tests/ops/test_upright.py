import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from e2e3d.ops.sample_scene import look_at
from e2e3d.ops.upright import up_direction
from tests.ops.synthetic_sfm import arc_poses


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_up_is_found_in_any_frame(seed: int) -> None:
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    poses = [np.concatenate([pose[:, :3] @ turn.T, pose[:, 3:]], 1) for pose in arc_poses(9, 120)]
    up = up_direction(poses)
    assert up is not None
    assert up @ turn @ [0, 0, 1] > np.cos(np.radians(0.5))


def test_a_ring_that_looks_down_is_upright() -> None:
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    poses = [look_at(np.array([2 * np.cos(a), 2 * np.sin(a), 3.0]), np.zeros(3)) for a in angles]
    np.testing.assert_allclose(up_direction(poses), [0, 0, 1], atol=1e-6)


def test_parallel_views_of_a_facade_are_upright() -> None:
    poses = [look_at(np.array([x, -5.0, 1.5]), np.array([x, 0.0, 1.5])) for x in np.linspace(-2, 2, 6)]
    np.testing.assert_allclose(up_direction(poses), [0, 0, 1], atol=1e-6)


def test_tops_that_point_everywhere_tell_nothing() -> None:
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    down = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    poses = [np.concatenate([Rotation.from_euler("z", a).as_matrix() @ down, np.zeros((3, 1))], 1) for a in angles]
    assert up_direction(poses) is None
