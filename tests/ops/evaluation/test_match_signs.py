"""Matches agree with the cameras that made them, and not with others."""

import numpy as np
import pytest

from e2e3d.data.scene import Camera
from e2e3d.ops.evaluation.match_signs import (
    PairAgreement,
    disagreeing_images,
    likely_share,
    points_of_keypoints,
    sampson_px,
)

CAMERA = Camera(1, "SIMPLE_RADIAL", 800, 600, (500.0, 400.0, 300.0, -0.1))
FIRST = np.eye(3, 4)


def pose(yaw_deg: float) -> np.ndarray:
    c, s = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    return np.array([[c, 0, s, -1.0], [0, 1, 0, 0.2], [-s, 0, c, 0]])


def seen(points: np.ndarray, cam_from_world: np.ndarray) -> np.ndarray:
    from e2e3d.ops.photos.undistortion import image_from_normalised

    there = points @ cam_from_world[:, :3].T + cam_from_world[:, 3]
    return image_from_normalised(CAMERA, there[:, :2] / there[:, 2:])


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(3).uniform((-1, -1, 4), (1, 1, 6), (200, 3))


def test_true_cameras_agree(points: np.ndarray) -> None:
    poses = FIRST, pose(10)
    assert sampson_px(seen(points, FIRST), seen(points, poses[1]), (CAMERA, CAMERA), poses).max() < 1e-3


def test_a_shift_across_the_epipolar_line_is_half_its_distance(points: np.ndarray) -> None:
    sideways = np.array([[1.0, 0, 0, -1], [0, 1, 0, 0], [0, 0, 1, 0]])
    pinhole = Camera(1, "PINHOLE", 800, 600, (500.0, 500.0, 400.0, 300.0))
    first = points[:, :2] / points[:, 2:] * 500 + (400, 300)
    moved = points - (1, 0, 0)
    second = moved[:, :2] / moved[:, 2:] * 500 + (400, 300)
    found = sampson_px(first, second + np.array([0, 4]), (pinhole, pinhole), (FIRST, sideways))
    assert found == pytest.approx(np.full(len(points), 4 / np.sqrt(2)), rel=1e-6)  # shared between both pictures


def test_turned_cameras_disagree(points: np.ndarray) -> None:
    found = sampson_px(seen(points, FIRST), seen(points, pose(10)), (CAMERA, CAMERA), (FIRST, pose(14)))
    assert np.median(found) > 2


def test_keypoints_find_their_points() -> None:
    keypoints = np.array([[1.5, 2.5], [3, 4], [5, 6]], np.float32)
    observed, points = keypoints[[2, 0]], np.array([7, 9], np.int32)
    assert points_of_keypoints(keypoints, observed, points).tolist() == [9, -1, 7]
    assert points_of_keypoints(keypoints, observed[:0], points[:0]).tolist() == [-1, -1, -1]


def test_an_image_whose_matches_disagree_is_told() -> None:
    pairs = [PairAgreement(0, 1, 100, 95, 0, 0), PairAgreement(0, 2, 40, 5, 0, 0), PairAgreement(1, 2, 40, 3, 0, 0)]
    assert disagreeing_images(pairs, 30) == [2]
    assert disagreeing_images(pairs, 100) == []


def test_few_matches_cannot_prove_that_cameras_are_wrong() -> None:
    assert likely_share(9, 11) > 0.9
    assert likely_share(880, 1000) < 0.9
    assert likely_share(930, 1000) == pytest.approx(0.942, abs=0.001)
    assert likely_share(5, 5) == pytest.approx(1)
