"""Depth is kept where the picture shows something, not where only the rim of the window does."""

from __future__ import annotations

import numpy as np

from e2e3d.ops.stereo.support import supported

RADIUS = 5


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Grey [60, 80]: noisy blank sky (value 240) left of column 40, a dark textured object from there on."""
    rng = np.random.default_rng(1)
    grey = 240 + rng.normal(0, 1.0, (60, 80))
    grey[:, 40:] = rng.uniform(20, 120, (60, 40))
    return grey.astype(np.uint8), np.ones(grey.shape, bool)


def test_blank_pixels_beside_an_outline_lose_their_depth():
    grey, keep = scene()
    keep[:, : 40 - RADIUS] = False  # windows without any texture find no depth in the first place
    result = supported(grey, keep, RADIUS)
    assert result[:, 40:].all()
    assert result[:, 35:38].mean() < 0.02
    assert not (result & ~keep).any()


def test_of_two_sides_of_an_outline_the_blank_one_loses_its_depth_to_the_last_pixel():
    grey, keep = scene()
    keep[:, : 40 - RADIUS] = False
    result = supported(grey, keep, RADIUS)
    assert result[:, 40:].all()
    assert result[:, 38:40].mean() < 0.05


def test_blank_pixels_between_texture_keep_their_depth():
    grey, keep = scene()
    grey[20:24, 50:70] = 200
    assert supported(grey, keep, RADIUS)[:, 40:].all()


def test_what_was_dropped_before_supports_nothing():
    grey, keep = scene()
    keep[:, 40:] = False
    keep[:, : 40 - RADIUS] = False
    assert supported(grey, keep, RADIUS)[:, :39].mean() < 0.02


def test_even_texture_is_no_outline_however_weak():
    rng = np.random.default_rng(2)
    grey = (128 + rng.normal(0, 1.2, (60, 80))).astype(np.uint8)
    keep = np.ones(grey.shape, bool)
    assert supported(grey, keep, RADIUS).mean() > 0.99
