"""Undistortion against the analytic camera models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e3d.data.scene import Camera
from e2e3d.ops.photos.undistortion import (
    image_from_normalised,
    normalised_from_image,
    pinhole_for,
    undistort_image,
    undistort_points,
)

OPENCV = Camera(1, "OPENCV", 640, 480, (500.0, 505.0, 322.0, 237.0, -0.12, 0.03, 0.001, -0.002))
FISHEYE = Camera(1, "OPENCV_FISHEYE", 640, 480, (300.0, 300.0, 320.0, 240.0, 0.02, 0.0, 0.0, 0.0))


def test_a_pinhole_photograph_stays_as_it_is():
    camera = Camera(1, "PINHOLE", 60, 40, (50.0, 51.0, 30.5, 19.0))
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    target = pinhole_for(camera, 100)
    result, mask = undistort_image(image, None, camera, target)
    np.testing.assert_array_equal(result, image)
    np.testing.assert_allclose(target.intrinsics_px, (50, 51, 30.5, 19), rtol=1e-9)
    assert mask is None


def test_shrinking_by_two_is_the_mean_of_four():
    camera = Camera(1, "SIMPLE_PINHOLE", 60, 40, (50.0, 30.0, 20.0))
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    target = pinhole_for(camera, 30)
    result, _ = undistort_image(image, None, camera, target)
    mean = image.reshape(20, 2, 30, 2, 3).mean((1, 3))
    assert np.abs(result - mean).max() <= 0.51
    np.testing.assert_allclose(target.intrinsics_px, (25, 25, 15, 10), rtol=1e-9)


@pytest.mark.parametrize("camera", [OPENCV, FISHEYE])
def test_the_view_shows_the_photograph_where_the_model_says(camera):
    ys, xs = np.mgrid[0:480, 0:640]
    image = np.stack([xs * 0.39, ys * 0.5, 0 * xs + 9], -1).astype(np.uint8)
    target = pinhole_for(camera, 320)
    result, mask = undistort_image(image, None, camera, target)
    assert mask is None
    assert max(result.shape) <= 321
    fx, fy, cx, cy = target.intrinsics_px
    y, x = np.mgrid[0 : target.height_px, 0 : target.width_px] + 0.5
    px = image_from_normalised(camera, np.stack([(x.ravel() - cx) / fx, (y.ravel() - cy) / fy], 1))
    expected = (px - 0.5) * (0.39, 0.5) - 0.5  # the ramp was truncated to whole numbers
    assert np.abs(result[..., :2].reshape(-1, 2) - expected)[:, :].max() < 1.5


@pytest.mark.parametrize("bent", [-2.0, -5.0])
def test_a_lens_that_cannot_be_inverted_at_the_border_still_gives_a_view(bent):
    camera = Camera(1, "SIMPLE_RADIAL", 64, 48, (98.9, 32.0, 24.0, bent))
    image = np.full((48, 64, 3), 100, np.uint8)
    result, mask = undistort_image(image, None, camera, pinhole_for(camera, 96))
    assert result.shape[0] > 1
    assert result.shape[1] > 1
    assert mask is not None
    assert mask.any()
    assert (result[mask] == 100).all()


def test_a_mask_is_carried_through():
    mask = np.zeros((480, 640), bool)
    mask[:, 320:] = True
    target = pinhole_for(OPENCV, 320)
    _, usable = undistort_image(np.zeros((480, 640, 3), np.uint8), mask, OPENCV, target)
    assert usable is not None
    assert not usable[:, : target.width_px // 2 - 4].any()
    assert usable[:, target.width_px // 2 + 4 :].all()


@settings(max_examples=40, deadline=None)
@given(st.floats(-0.15, 0.15), st.floats(-0.02, 0.02), st.floats(0.1, 0.9), st.floats(0.1, 0.9))
def test_points_follow_the_pixels(k1, k2, across, down):
    camera = Camera(1, "RADIAL", 640, 480, (550.0, 318.0, 244.0, k1, k2))
    target = pinhole_for(camera, 400)
    view_px = np.array([[across * target.width_px, down * target.height_px]])
    photo_px = image_from_normalised(camera, (view_px - target.intrinsics_px[2:]) / target.intrinsics_px[:2])
    assert (photo_px > 0).all()
    assert (photo_px < (640, 480)).all()
    np.testing.assert_allclose(undistort_points(camera, target, photo_px.astype(np.float32)), view_px, atol=2e-3)
    np.testing.assert_allclose(
        image_from_normalised(camera, normalised_from_image(camera, photo_px)), photo_px, atol=1e-4
    )
