"""Slanted planes as inverse depth that is linear in the image.

A plane m · X = 1 seen by a pinhole camera has 1 / z = m · K⁻¹ (x, y, 1), so it is stored at a pixel as its inverse
depth `w` there and the derivatives (`gx`, `gy`) of inverse depth by x and y, per pixel. Moving a plane to another pixel
is two multiplications, and the homography that it induces is linear in it.
"""

from __future__ import annotations

import math

import numpy as np

from e2e3d.ops.stereo.jit import kernel

_ONE = np.float32(1.0)
_MIN_COSINE = np.float32(0.035)


@kernel
def plane_from_normal(
    depth: np.float32,
    nx: np.float32,
    ny: np.float32,
    nz: np.float32,
    ray_x: np.float32,
    ray_y: np.float32,
    fx: np.float32,
    fy: np.float32,
) -> tuple[np.float32, np.float32, np.float32]:
    """(w, gx, gy) of the plane with camera-frame normal n through depth * (ray_x, ray_y, 1)."""
    w = _ONE / depth
    scale = w / (nx * ray_x + ny * ray_y + nz)
    return w, nx * scale / fx, ny * scale / fy


@kernel
def normal_from_plane(
    w: np.float32, gx: np.float32, gy: np.float32, ray_x: np.float32, ray_y: np.float32, fx: np.float32, fy: np.float32
) -> tuple[np.float32, np.float32, np.float32]:
    """Unit normal in the camera frame, pointing to the camera; inverse of :func:`plane_from_normal`."""
    mx = gx * fx
    my = gy * fy
    mz = w - mx * ray_x - my * ray_y
    scale = -_ONE / np.float32(math.sqrt(mx * mx + my * my + mz * mz))
    return mx * scale, my * scale, mz * scale


@kernel
def change_a_pixel(w: np.float32, gx: np.float32, gy: np.float32) -> np.float32:
    """By which share the depth of a plane changes from one pixel to the next, at most."""
    return np.float32(math.sqrt(gx * gx + gy * gy) / w)


@kernel
def is_visible(
    w: np.float32,
    gx: np.float32,
    gy: np.float32,
    ray_x: np.float32,
    ray_y: np.float32,
    fx: np.float32,
    fy: np.float32,
    w_min: np.float32,
    w_max: np.float32,
) -> bool:
    """Whether a plane lies in the searched range and is not seen at more than 88 degrees from its normal."""
    if not (w_min <= w <= w_max):
        return False
    mx = gx * fx
    my = gy * fy
    mz = w - mx * ray_x - my * ray_y
    ray_square = ray_x * ray_x + ray_y * ray_y + _ONE
    return bool(w * w >= _MIN_COSINE * _MIN_COSINE * ray_square * (mx * mx + my * my + mz * mz))
