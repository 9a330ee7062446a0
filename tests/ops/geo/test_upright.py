import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from e2e3d.data.photo import CameraAttitude
from e2e3d.ops.geo.sideways import turned
from e2e3d.ops.geo.upright import estimate_up, up_direction
from e2e3d.ops.sample.sample_scene import look_at
from tests.ops.flights import rotations_of
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


def test_views_straight_down_in_all_headings_are_upright() -> None:
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    down = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    poses = [np.concatenate([Rotation.from_euler("z", a).as_matrix() @ down, np.zeros((3, 1))], 1) for a in angles]
    np.testing.assert_allclose(up_direction(poses), [0, 0, 1], atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_tops_and_views_that_point_everywhere_tell_nothing(seed: int) -> None:
    turns = Rotation.random(40, rng=np.random.default_rng(seed)).as_matrix()
    assert up_direction([np.concatenate([turn, np.zeros((3, 1))], 1) for turn in turns]) is None


def test_gimbals_tell_up_whatever_their_angles_and_one_may_be_wrong() -> None:
    random = np.random.default_rng(2)
    yaw, pitch, roll = random.uniform(0, 360, 9), random.uniform(-90, 20, 9), random.uniform(-30, 30, 9)
    rotations = rotations_of(yaw, pitch, roll)
    poses = [np.concatenate([rotation, np.zeros((3, 1))], 1) for rotation in rotations]
    attitudes = [CameraAttitude(*map(float, angles)) for angles in zip(yaw, pitch, roll, strict=True)]
    attitudes[4] = CameraAttitude(0.0, 45.0, 170.0)
    estimate = estimate_up(poses, [*attitudes[:-1], None])
    assert estimate.source == "attitude"
    np.testing.assert_allclose(estimate.direction, [0, 0, 1], atol=1e-6)


def test_views_to_and_fro_obliquely_down_are_upright_whichever_are_more() -> None:
    rotations = rotations_of(np.array([0.0] * 7 + [180.0] * 3), np.full(10, -45.0), np.zeros(10))
    poses = [np.concatenate([rotation, np.zeros((3, 1))], 1) for rotation in rotations]
    np.testing.assert_allclose(up_direction(poses), [0, 0, 1], atol=1e-6)


def test_parallel_oblique_views_of_flat_ground_stand_on_it() -> None:
    random = np.random.default_rng(3)
    rotations = rotations_of(np.zeros(8), np.full(8, -35.0), np.zeros(8))
    poses = [np.concatenate([r, -(r @ [5.0 * i, 0, 40])[:, None]], 1) for i, r in enumerate(rotations)]
    ground = random.uniform([-40, 20, -0.5], [80, 100, 0.5], (400, 3))
    assert estimate_up(poses).source == "ahead"
    estimate = estimate_up(poses, (), ground)
    assert estimate.source == "ground"
    np.testing.assert_allclose(estimate.direction, [0, 0, 1], atol=0.02)


def lying(poses: list[np.ndarray], which: list[int], quarters: int = 1) -> np.ndarray:
    turns = np.zeros(len(poses), np.int64)
    turns[which] = quarters
    return turned(np.array(poses), turns)


@pytest.mark.parametrize("quarters", [1, 3])
@pytest.mark.parametrize("which", [[0, 2, 4, 6, 8], [1, 2, 3, 7], [5]])
def test_photographs_on_their_side_do_not_lay_the_model_down(which: list[int], quarters: int) -> None:
    estimate = estimate_up(lying(list(arc_poses(9, 60)), which, quarters))
    assert estimate.sideways == tuple(which)
    assert estimate.direction is not None
    assert estimate.direction[2] > np.cos(np.radians(0.5))


def test_along_a_wall_their_shape_tells_that_they_lie_on_their_side() -> None:
    wall = [look_at(np.array([x, -5.0, 1.5]), np.array([x, 0.0, 1.5])) for x in np.linspace(-2, 2, 7)]
    portrait = np.arange(7) % 2 == 1
    estimate = estimate_up(lying(wall, [1, 3, 5]), portrait=portrait)
    np.testing.assert_allclose(estimate.direction, [0, 0, 1], atol=1e-6)
    assert estimate.sideways == (1, 3, 5)
    assert estimate_up(wall, portrait=portrait).sideways == ()


@pytest.mark.parametrize("pitch_deg", [-90.0, -87.0, -60.0])
def test_flights_with_two_headings_do_not_lie_on_their_side(pitch_deg: float) -> None:
    random = np.random.default_rng(1)
    headings = np.array([0.0, 180.0, 0.0, 90.0, 90.0, 270.0, 90.0, 0.0]) + random.normal(0, 2, 8)
    rotations = rotations_of(headings, np.full(8, pitch_deg) + random.normal(0, 2, 8), random.normal(0, 2, 8))
    estimate = estimate_up([np.concatenate([rotation, np.zeros((3, 1))], 1) for rotation in rotations])
    assert estimate.sideways == ()
    assert estimate.direction is not None
    assert estimate.direction[2] > np.cos(np.radians(4))
