"""Slanted planes as inverse depth that is linear in the image.

A plane m · X = 1 seen by a pinhole camera has 1 / z = m · K⁻¹ (x, y, 1), so it is stored at a pixel as its inverse
depth `w` there and the derivatives (`gx`, `gy`) of inverse depth by x and y, per pixel. Moving a plane to another pixel
is two multiplications, and the homography that it induces is linear in it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from e2e3d.ops.stereo.jit import kernel

_ONE = np.float32(1.0)
_MIN_COSINE = np.float32(0.035)


class Plane(NamedTuple):
    """A plane at a pixel: inverse depth, and its derivatives by x and y, per pixel."""

    w: np.float32
    gx: np.float32
    gy: np.float32


class Ray(NamedTuple):
    """A direction (x, y, 1) in the camera."""

    x: np.float32
    y: np.float32


class Intrinsics(NamedTuple):
    """A pinhole camera, pixels."""

    fx: np.float32
    fy: np.float32
    cx: np.float32
    cy: np.float32


def intrinsics(camera_px: ArrayLike) -> Intrinsics:
    """(fx, fy, cx, cy), pixels, as the kernels take them."""
    return Intrinsics(*np.asarray(camera_px, np.float32))


@kernel
def ray_through(camera: Intrinsics, x: np.float32, y: np.float32) -> Ray:
    """The ray through (x, y), pixels."""
    return Ray((x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy)


@kernel
def plane_from_normal(
    depth: np.float32, normal: tuple[np.float32, np.float32, np.float32], ray: Ray, camera: Intrinsics
) -> Plane:
    """The plane with a normal in the camera frame through the point at that depth on the ray."""
    nx, ny, nz = normal
    w = _ONE / depth
    scale = w / (nx * ray.x + ny * ray.y + nz)
    return Plane(w, nx * scale / camera.fx, ny * scale / camera.fy)


@kernel
def normal_from_plane(plane: Plane, ray: Ray, camera: Intrinsics) -> tuple[np.float32, np.float32, np.float32]:
    """Unit normal in the camera frame, pointing to the camera; inverse of :func:`plane_from_normal`."""
    mx = plane.gx * camera.fx
    my = plane.gy * camera.fy
    mz = plane.w - mx * ray.x - my * ray.y
    scale = -_ONE / np.float32(math.sqrt(mx * mx + my * my + mz * mz))
    return mx * scale, my * scale, mz * scale


@kernel
def change_a_pixel(plane: Plane) -> np.float32:
    """Largest relative change of a plane's depth from one pixel to the next."""
    return np.float32(math.sqrt(plane.gx * plane.gx + plane.gy * plane.gy) / plane.w)


@kernel
def is_visible(plane: Plane, ray: Ray, camera: Intrinsics, w_min: np.float32, w_max: np.float32) -> bool:
    """Whether a plane lies in the searched range and is not seen at more than 88 degrees from its normal."""
    w = plane.w
    if not (w_min <= w <= w_max):
        return False
    mx = plane.gx * camera.fx
    my = plane.gy * camera.fy
    mz = w - mx * ray.x - my * ray.y
    ray_square = ray.x * ray.x + ray.y * ray.y + _ONE
    return bool(w * w >= _MIN_COSINE * _MIN_COSINE * ray_square * (mx * mx + my * my + mz * mz))
