"""Patches smaller than a window are dropped; slanted surfaces hold together, and depth edges part them."""

from __future__ import annotations

import numpy as np
import pytest

from e2e3d.ops.stereo.coherence import coherent

SHIFT = 0.01
LEAST = 121
ONE = np.ones((60, 80), np.uint8)


def slanted(gx: float, gy: float) -> np.ndarray:
    """Planes [60, 80, 3] of one slanted surface."""
    ys, xs = np.mgrid[0:60, 0:80].astype(np.float32)
    return np.stack([0.5 + gx * xs + gy * ys, np.full_like(xs, gx), np.full_like(xs, gy)], -1).astype(np.float32)


def test_a_steep_surface_is_one_surface() -> None:
    keep = np.ones((60, 80), bool)
    assert coherent(slanted(0.05, -0.03), keep, ONE, SHIFT, LEAST, 1).all()
    facing = slanted(0.05, -0.03) * np.float32([1, 0, 0])
    assert not coherent(facing, keep, ONE, SHIFT, LEAST, 1).any()


def test_small_patches_go_and_large_ones_stay() -> None:
    keep = np.zeros((60, 80), bool)
    keep[5:15, 5:15] = keep[30:42, 30:42] = keep[50, 0:60] = True
    result = coherent(slanted(0, 0), keep, ONE, SHIFT, LEAST, 1)
    assert result[30:42, 30:42].all()
    assert result.sum() == 144


def test_a_patch_may_be_smaller_the_more_views_agree() -> None:
    keep = np.zeros((60, 80), bool)
    keep[5:11, 5:15] = keep[30:36, 30:40] = True
    count = np.array(ONE)
    count[30:36, 30:40] = 3
    result = coherent(slanted(0, 0), keep, count, SHIFT, LEAST, 1)
    assert result[30:36, 30:40].all()
    assert result.sum() == 60


def test_a_patch_before_a_surface_is_no_part_of_it() -> None:
    planes, keep = slanted(0.001, 0), np.ones((60, 80), bool)
    planes[20:28, 20:28, 0] += 3 * SHIFT
    result = coherent(planes, keep, ONE, SHIFT, LEAST, 1)
    assert not result[20:28, 20:28].any()
    assert result.sum() == 60 * 80 - 64
    assert keep.all()


@pytest.mark.parametrize(("reach", "stays"), [(1, False), (2, True)])
def test_what_is_porous_holds_together_with_more_reach(reach: int, stays: bool) -> None:
    ys, xs = np.mgrid[0:60, 0:80]
    keep = (ys + xs) % 2 == 0
    assert (coherent(slanted(0.05, -0.03), keep, ONE, SHIFT, LEAST, reach) == (keep & stays)).all()


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_depths_by_chance_are_no_surface_with_more_reach(share: float) -> None:
    rng = np.random.default_rng(3)
    planes = slanted(0, 0)
    planes[..., 0] = rng.uniform(0, 60 * SHIFT, (60, 80))
    keep = rng.random((60, 80)) < share
    assert not coherent(planes, keep, ONE, SHIFT, LEAST, 2).any()
