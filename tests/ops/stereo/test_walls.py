"""Holes of flat blank walls get the plane of the rest; what is not flat, or not of the wall, stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

from e2e3d.ops.stereo.walls import planes_of_walls

SHIFT = 0.01
HEIGHT, WIDTH = 100, 160
YS, XS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
GX, GY = 0.002, -0.001
HOLE = np.s_[40:60, 60:80]


def wall() -> np.ndarray:
    """Planes [HEIGHT, WIDTH, 3] of one slanted wall."""
    return np.stack([0.5 + GX * XS + GY * YS, np.full_like(XS, GX), np.full_like(XS, GY)], -1)


def fill(planes: np.ndarray, keep: np.ndarray, region: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    region = np.ones(keep.shape, np.int32) if region is None else region
    return planes_of_walls(planes, region, keep, ~keep, SHIFT)


def holed() -> tuple[np.ndarray, np.ndarray]:
    """A wall whose planes are wrong in a hole, and bool: where they are right."""
    planes, keep = wall(), np.ones((HEIGHT, WIDTH), bool)
    planes[HOLE], keep[HOLE] = (0.1, 0.3, 0.3), False
    return planes, keep


def test_a_hole_in_a_wall_gets_the_walls_plane_despite_noise_and_outliers():
    planes, keep = holed()
    random = np.random.default_rng(1)
    planes[..., 0] += np.where(keep, random.normal(0, 0.3 * SHIFT, keep.shape), 0)
    planes[:12, :, 0] += 8 * SHIFT  # an eighth of it is off
    before = planes.copy()
    filled, found = fill(planes, keep)
    np.testing.assert_array_equal(found, ~keep)
    np.testing.assert_allclose(filled[HOLE], wall()[HOLE], atol=0.05 * SHIFT)
    np.testing.assert_array_equal(filled[keep], before[keep])
    np.testing.assert_array_equal(planes, before)


@pytest.mark.parametrize("bulge", [0.0, 1.0], ids=["corner", "ball"])
def test_what_is_not_flat_is_not_filled(bulge: float):
    planes, keep = holed()
    away = np.hypot(XS - 80, YS - 50) if bulge else np.abs(XS - 80)
    planes[..., 0] += np.where(keep, 0.2 * SHIFT * away, 0).astype(np.float32)
    assert not fill(planes, keep)[1].any()


def test_no_plane_goes_on_behind_what_stands_before_the_wall():
    planes, keep = wall(), np.ones((HEIGHT, WIDTH), bool)
    planes[30:70, 70:90, 0] += 20 * SHIFT
    keep[40:60, 75:85] = False  # in the middle of it
    assert not fill(planes, keep)[1].any()


def test_a_plane_goes_no_farther_than_a_tenth_of_the_image():
    keep = np.zeros((HEIGHT, WIDTH), bool)
    keep[:, :80] = True
    _, found = fill(wall(), keep)
    assert found[:, 80:95].all()
    assert not found[:, 97:].any()


def test_a_plane_ends_at_the_horizon():
    planes, keep = wall(), np.ones((HEIGHT, WIDTH), bool)
    planes[..., 0] = 0.02 * (YS - 10.5)
    keep[:11] = False
    keep[20:30] = False
    _, found = fill(planes, keep)
    assert found[20:30].all()
    assert not found[:11].any()


def test_what_shows_something_and_small_walls_are_left_alone():
    planes, keep = holed()
    region = np.zeros(keep.shape, np.int32)
    assert not fill(planes, keep, region)[1].any()
    region[39:61, 59:81] = 1  # of which fewer than 100 depths are known
    assert not fill(planes, keep, region)[1].any()
    assert not fill(planes, np.zeros_like(keep))[1].any()
