"""Undistortion of any COLMAP camera in one resampling step, area filtered when it shrinks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Camera
from e2e3d.ops.numba_jit import njit

# Nothing beyond this angle from the axis is kept: a pinhole image stretches without bound towards 90 degrees.
_WIDEST_TANGENT = float(np.tan(np.radians(65.0)))
_PINHOLE_MODELS = ("SIMPLE_PINHOLE", "PINHOLE")
_BORDER_SAMPLES = 64
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)


@dataclass(frozen=True)
class PinholeSize:
    """A pinhole image: `intrinsics_px` float64 [4] (fx, fy, cx, cy), width and height in pixels."""

    intrinsics_px: NDArray[np.float64]
    width_px: int
    height_px: int


def colmap_camera(camera: Camera) -> object:
    """The pycolmap camera with the same model and parameters."""
    import pycolmap

    return pycolmap.Camera(
        model=camera.model, width=camera.width_px, height=camera.height_px, params=list(camera.params)
    )


def normalised_from_image(camera: Camera, points_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undistort pixels [N, 2] to the plane z = 1 of the camera, [N, 2]; NaN where the model cannot be inverted."""
    rays = colmap_camera(camera).cam_from_img(np.ascontiguousarray(points_px, np.float64))  # type: ignore[attr-defined]
    rays = np.asarray(rays, np.float64)
    return rays if rays.shape[1] == 2 else rays[:, :2] / rays[:, 2:]


def image_from_normalised(camera: Camera, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distort points [N, 2] of the plane z = 1 to pixels [N, 2]."""
    rays = np.concatenate([points, np.ones((len(points), 1))], 1)
    return np.asarray(colmap_camera(camera).img_from_cam(rays), np.float64)  # type: ignore[attr-defined]


def pinhole_for(camera: Camera, max_size_px: int) -> PinholeSize:
    """The undistorted image of a camera: all of it shows the photograph, and no side is longer than `max_size_px`.

    The scale at the centre is the photograph's, reduced when the result would be too large, never enlarged.
    """
    left, top, right, bottom = _inner_rectangle(camera)
    fx, fy = _focal_lengths(camera)
    longest = max(fx * (right - left), fy * (bottom - top))
    scale = min(1.0, max_size_px / longest)
    width = max(1, round(fx * scale * (right - left)))
    height = max(1, round(fy * scale * (bottom - top)))
    fx, fy = width / (right - left), height / (bottom - top)
    return PinholeSize(np.array([fx, fy, -left * fx, -top * fy]), width, height)


def undistort_image(
    image: NDArray[np.uint8], mask: NDArray[np.bool_] | None, camera: Camera, target: PinholeSize
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """Resample a photograph, uint8 [H, W, 3] as `camera` took it, and its mask, bool [H, W], to the pinhole `target`.

    The mask of the result is None when every pixel may be used.
    """
    x_px, y_px = _sampling_map(camera, target)
    x_px *= image.shape[1] / camera.width_px
    y_px *= image.shape[0] / camera.height_px
    pixels = np.ascontiguousarray(image)
    usable = np.ones((1, 1), np.uint8) if mask is None else np.array(mask, np.uint8)
    result, inside = _resample(pixels, usable, x_px, y_px)
    return result, None if inside.all() else inside


def undistort_points(camera: Camera, target: PinholeSize, points_px: NDArray[np.float32]) -> NDArray[np.float32]:
    """Positions [N, 2] in the photograph, moved to the undistorted image."""
    points = normalised_from_image(camera, points_px.astype(np.float64))
    return np.asarray(points * target.intrinsics_px[:2] + target.intrinsics_px[2:], np.float32)


def _focal_lengths(camera: Camera) -> tuple[float, float]:
    focal = [camera.params[k] for k in colmap_camera(camera).focal_length_idxs()]  # type: ignore[attr-defined]
    return focal[0], focal[-1]


def _inner_rectangle(camera: Camera) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, on the plane z = 1, of the largest centred crop that shows only photograph."""
    w, h = float(camera.width_px), float(camera.height_px)
    if camera.model in _PINHOLE_MODELS:
        (left, top), (right, bottom) = normalised_from_image(camera, np.array([[0.0, 0.0], [w, h]]))
        return left, top, right, bottom
    along = np.linspace(0, 1, _BORDER_SAMPLES)

    limit = _WIDEST_TANGENT

    def side(x: NDArray[np.float64], y: NDArray[np.float64], axis: int, beyond: float) -> NDArray[np.float64]:
        points = normalised_from_image(camera, np.stack([x + 0 * along, y + 0 * along], 1))
        return np.asarray(np.nan_to_num(points[:, axis], nan=beyond))

    zero = np.zeros(1)
    left = side(zero, h * along, 0, -limit).max()
    right = side(zero + w, h * along, 0, limit).min()
    top = side(w * along, zero, 1, -limit).max()
    bottom = side(w * along, zero + h, 1, limit).min()
    return max(left, -limit), max(top, -limit), min(right, limit), min(bottom, limit)


def _sampling_map(camera: Camera, target: PinholeSize) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Position in the photograph of every corner of the target's pixels, float32 [H + 1, W + 1] each."""
    fx, fy, cx, cy = target.intrinsics_px
    ys, xs = np.mgrid[0 : target.height_px + 1, 0 : target.width_px + 1]
    points = np.stack([(xs.ravel() - cx) / fx, (ys.ravel() - cy) / fy], 1)
    px = image_from_normalised(camera, points).astype(np.float32).reshape(*xs.shape, 2)
    return np.ascontiguousarray(px[..., 0]), np.ascontiguousarray(px[..., 1])


@njit(cache=True, error_model="numpy")
def _resample(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], corner_x: NDArray[np.float32], corner_y: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Mean of n x n bilinear samples spread over each target pixel's quadrilateral, n = its size in photograph pixels.

    A pixel is usable when its centre lies inside the photograph and inside the mask ([1, 1] = no mask).
    """
    height, width = corner_x.shape[0] - 1, corner_x.shape[1] - 1
    full_height, full_width = image.shape[0], image.shape[1]
    result = np.empty((height, width, 3), np.uint8)
    inside = np.empty((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            ox, oy = corner_x[y, x], corner_y[y, x]
            ax, ay = corner_x[y, x + 1] - ox, corner_y[y, x + 1] - oy
            bx, by = corner_x[y + 1, x] - ox, corner_y[y + 1, x] - oy
            size = max(max(abs(ax), abs(ay)), max(abs(bx), abs(by)))
            n = max(1, int(np.ceil(size - np.float32(0.01))))
            step = _ONE / np.float32(n)
            red, green, blue = np.float32(0), np.float32(0), np.float32(0)
            for j in range(n):
                for i in range(n):
                    s, t = (np.float32(i) + _HALF) * step, (np.float32(j) + _HALF) * step
                    u = min(max(ox + s * ax + t * bx - _HALF, np.float32(0)), np.float32(full_width - 1))
                    v = min(max(oy + s * ay + t * by - _HALF, np.float32(0)), np.float32(full_height - 1))
                    c, r = min(int(u), full_width - 2), min(int(v), full_height - 2)
                    du, dv = u - np.float32(c), v - np.float32(r)
                    w00, w01 = (_ONE - du) * (_ONE - dv), du * (_ONE - dv)
                    w10, w11 = (_ONE - du) * dv, du * dv
                    p, q = image[r, c], image[r, c + 1]
                    k, m = image[r + 1, c], image[r + 1, c + 1]
                    red += (
                        w00 * np.float32(p[0])
                        + w01 * np.float32(q[0])
                        + w10 * np.float32(k[0])
                        + w11 * np.float32(m[0])
                    )
                    green += (
                        w00 * np.float32(p[1])
                        + w01 * np.float32(q[1])
                        + w10 * np.float32(k[1])
                        + w11 * np.float32(m[1])
                    )
                    blue += (
                        w00 * np.float32(p[2])
                        + w01 * np.float32(q[2])
                        + w10 * np.float32(k[2])
                        + w11 * np.float32(m[2])
                    )
            share = step * step
            result[y, x, 0] = np.uint8(red * share + _HALF)
            result[y, x, 1] = np.uint8(green * share + _HALF)
            result[y, x, 2] = np.uint8(blue * share + _HALF)
            u, v = ox + (ax + bx) * _HALF, oy + (ay + by) * _HALF
            good = u >= 0 and v >= 0 and u < full_width and v < full_height
            if good and mask.size > 1:
                good = mask[int(v * mask.shape[0] / full_height), int(u * mask.shape[1] / full_width)] > 0
            inside[y, x] = good
    return result, inside
