"""In regions without texture, coherent depth stays (plaster) and incoherent depth is dropped (sky)."""

from __future__ import annotations

import numpy as np
import pytest

from e2e3d.ops.stereo.blank_regions import blank_regions, incoherent_regions

RADIUS = 5
SHAPE = (200, 300)
HALF = 150


def picture(noise: float = 0.8, slope: float = 0.0) -> np.ndarray:
    """Grey uint8: left a gradient with noise, right a strong texture."""
    random = np.random.default_rng(1)
    grey = 60 + slope * np.arange(SHAPE[1]) + random.normal(0, noise, SHAPE)
    grey[:, HALF:] = random.uniform(20, 200, (SHAPE[0], HALF))
    return grey.round().astype(np.uint8)


def patches(share: float) -> np.ndarray:
    """bool: columns of about `share` of the picture, 8 pixels apart."""
    return np.broadcast_to(np.arange(SHAPE[1]) % 8 < round(8 * share), SHAPE)


def test_a_region_whose_depth_is_torn_is_none():
    everywhere = np.ones(SHAPE, bool)
    for slope in (0.0, 1.0):  # a strong gradient is as blank as none
        result = incoherent_regions(blank_regions(picture(slope=slope), RADIUS), everywhere, patches(0.5))
        assert result[:, : HALF - RADIUS].all()
        assert not result[:, HALF + RADIUS :].any()


def test_a_region_whose_depth_holds_together_is_a_surface():
    for agreeing in (np.ones(SHAPE, bool), patches(0.25)):  # holes do not count against it
        assert not incoherent_regions(blank_regions(picture(), RADIUS), agreeing, agreeing).any()


def test_texture_is_a_surface_however_torn_its_depth():
    result = incoherent_regions(blank_regions(picture(noise=3.0), RADIUS), np.ones(SHAPE, bool), patches(0.25))
    assert not result[:, : HALF - RADIUS].any()


@pytest.mark.parametrize("side", [16, 20], ids=["less than a window", "a window"])
def test_what_is_small_is_not_judged(side: int):
    grey = picture(noise=5.0)
    grey[20 : 20 + side, 10 : 10 + side] = 60
    region = blank_regions(grey, RADIUS)
    assert region.any() == (side == 20)
    assert not incoherent_regions(region, np.ones(SHAPE, bool), patches(0.25)).any()
