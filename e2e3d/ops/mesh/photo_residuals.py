"""How well two views agree on a surface, and which way to move it: the normal equations of one pair of views.

The surface warps the pixels of one view into the other. Both are normalised by their mean and deviation in a window,
so that exposure does not matter, and half the squared difference, summed over it, is one minus their correlation.
Windows that correlate badly have residuals of a larger variance, and count less. The derivative is that of
Vu et al. (TPAMI 2012): a surface that moves along its normal slides along the viewing ray of the first view. Where they
descend the gradient, each pixel here gives one row of Gauss-Newton equations for the three vertices of its face, with
the matrix lumped to its diagonal, which is never smaller than the full one, so a step never overshoots.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.row_kernels import over_rows
from e2e3d.ops.texturing.visibility import face_buffer

Floats = NDArray[np.float32]
Faces = NDArray[np.int32]

WINDOW_PX = 7
NOISE_VARIANCE = 6.0  # grey levels squared: windows with less contrast count less
MIN_CORRELATION = 0.5  # of two windows: below it they show different things
SURE_CORRELATION = 0.9  # at which a window counts half of one that agrees wholly
MAX_RESIDUAL = 1.0  # deviations of the window; larger differences are occlusions and reflections
SAME_DEPTH = 0.005  # relative: a point no farther behind a surface than this is on it
MIN_COSINE = 0.2  # between a surface and the rays to it


class Frame(NamedTuple):
    """One view with the surface drawn into it.

    Attributes:
        texels: float32 [H, W, 3]: grey level, and its derivatives along x and y in levels a pixel.
        intrinsics_px: float32 [4]; `cam_from_world` float32 [3, 4]; `centre` float32 [3], of the camera in the world.
        corners: float32 [V, 3], the vertices projected: pixels and depth.
        depth: float32 [H, W], of the nearest face (1e30 = none); `owner` int32 [H, W], its number (-1 = none).
    """

    texels: Floats
    intrinsics_px: Floats
    cam_from_world: Floats
    centre: Floats
    corners: Floats
    depth: Floats
    owner: Faces


class Equations(NamedTuple):
    """Sums over pairs of views, for each vertex [V]: gradient, lumped curvature, pixel size and its weight.

    The gradient is of half the squared residuals; `pixel_size / weight` is the mean size of a pixel on the surface.
    """

    gradient: Floats
    curvature: Floats
    pixel_size: Floats
    weight: Floats

    @staticmethod
    def zero(count: int) -> Equations:
        """Nothing added yet, for `count` vertices."""
        return Equations(*np.zeros((4, count), np.float32))


def draw_frame(
    image: NDArray[np.uint8],
    intrinsics_px: NDArray[np.float64],
    cam_from_world: NDArray[np.float64],
    mask: NDArray[np.bool_] | None,
    vertices: Floats,
    faces: Faces,
) -> Frame:
    """Draw the surface into a pinhole view: image uint8 [H, W, 3], mask bool [H, W] (True = use) or None."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    dx = cv2.Scharr(grey, cv2.CV_32F, 1, 0, scale=1 / 32)
    dy = cv2.Scharr(grey, cv2.CV_32F, 0, 1, scale=1 / 32)
    pose = cam_from_world.astype(np.float32)
    fx, fy, cx, cy = intrinsics_px.astype(np.float32)
    points = vertices @ pose[:, :3].T + pose[:, 3]
    depth = np.where(points[:, 2] > 1e-6, points[:, 2], np.float32(0))
    safe = np.maximum(depth, np.float32(1e-6))
    corners = np.stack([fx * points[:, 0] / safe + cx, fy * points[:, 1] / safe + cy, depth], 1).astype(np.float32)
    nearest, owner = face_buffer(corners, faces, *grey.shape)
    if mask is not None:
        owner[~mask] = -1
    return Frame(
        texels=np.dstack([grey, dx, dy]),
        intrinsics_px=np.array([fx, fy, cx, cy], np.float32),
        cam_from_world=pose,
        centre=-pose[:, :3].T @ pose[:, 3],
        corners=corners,
        depth=nearest,
        owner=owner,
    )


def add_pair(sums: Equations, first: Frame, second: Frame, vertices: Floats, faces: Faces) -> None:
    """Add the equations of the pixels of `first`, warped into `second`, in place."""
    warped, slope = np.zeros_like(first.depth), np.full_like(first.depth, np.nan)
    _warp(warped, slope, first, second, vertices, faces)
    valid = np.isfinite(slope)
    if not valid.any():
        return
    own, other, trust = _compared(first.texels[..., 0], warped, valid)
    _accumulate(sums, own, other, trust, slope, first, faces)


def _compared(first: Floats, second: Floats, valid: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Both images in units of their windows, and how far the windows can be trusted.

    Returns:
        Two float32 [H, W, 2]: difference from the window's mean, and one over its deviation; and float32 [H, W] in
        [0, 1]: one over the variance of residuals between windows of such a correlation, 1 where they agree wholly,
        and less where only a share of the window is on the surface.
    """
    inside = valid.astype(np.float32)
    size = (WINDOW_PX, WINDOW_PX)
    count = np.maximum(cv2.blur(inside, size), np.float32(1e-3))
    a, b = np.where(valid, first, np.float32(0)), np.where(valid, second, np.float32(0))
    mean_a, mean_b = cv2.blur(a, size) / count, cv2.blur(b, size) / count
    scale_a, scale_b = (
        _one_over_deviation(np.maximum(cv2.blur(image * image, size) / count - mean * mean, 0))
        for image, mean in ((a, mean_a), (b, mean_b))
    )
    correlation = (cv2.blur(a * b, size) / count - mean_a * mean_b) * scale_a * scale_b
    doubt = np.float32(1 - SURE_CORRELATION)
    trust = np.where(correlation > MIN_CORRELATION, doubt / (doubt + 1 - np.minimum(correlation, 1)), np.float32(0))
    return np.dstack([a - mean_a, scale_a]), np.dstack([b - mean_b, scale_b]), (trust * count).astype(np.float32)


def _one_over_deviation(variance: Floats) -> Floats:
    """One over the deviation of a window, and less where its contrast is not above the noise."""
    share = variance / (variance + np.float32(NOISE_VARIANCE))
    return np.asarray(np.sqrt(share / (variance + np.float32(NOISE_VARIANCE))), np.float32)


@njit(cache=True)
def _cross(a, b, c):  # type: ignore[no-untyped-def]
    """Normal of the triangle a, b, c [3]; its length is twice the area."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


@njit(cache=True)
def _move_along_ray(triangle, ray, other_ray):  # type: ignore[no-untyped-def]
    """How far a point goes along a ray when its triangle goes one unit along its normal.

    Zero where the triangle is turned away from the ray or from that of the other camera.
    """
    a, b, c = triangle
    rx, ry, rz = ray
    ox, oy, oz = other_ray
    nx, ny, nz = _cross(a, b, c)
    square = nx * nx + ny * ny + nz * nz
    along = nx * rx + ny * ry + nz * rz
    other = nx * ox + ny * oy + nz * oz
    steepest = np.float32(MIN_COSINE)
    if -along <= steepest * np.sqrt(square * (rx * rx + ry * ry + rz * rz)):
        return np.float32(0)
    if -other <= steepest * np.sqrt(square * (ox * ox + oy * oy + oz * oz)):
        return np.float32(0)
    return np.sqrt(square) / along


@njit(cache=True)
def _sample(texels, u, v):  # type: ignore[no-untyped-def]
    """Bilinear grey level and derivatives at u, v, in texels from the centre of the first."""
    left, top = int(u), int(v)
    one = np.float32(1)
    fx, fy = u - np.float32(left), v - np.float32(top)
    w00, w01, w10, w11 = (one - fy) * (one - fx), (one - fy) * fx, fy * (one - fx), fy * fx
    p, q, r, s = texels[top, left], texels[top, left + 1], texels[top + 1, left], texels[top + 1, left + 1]
    return (
        w00 * p[0] + w01 * q[0] + w10 * r[0] + w11 * s[0],
        w00 * p[1] + w01 * q[1] + w10 * r[1] + w11 * s[1],
        w00 * p[2] + w01 * q[2] + w10 * r[2] + w11 * s[2],
    )


@over_rows
def _warp(first, end, warped, slope, own, other, vertices, faces):  # type: ignore[no-untyped-def]
    """What the other view shows at each pixel's surface point: grey level, and its derivative along the normal.

    Both are float32 [H, W]; the derivative stays as it was where the other view does not see the point.
    """
    depth, owner, camera, pose, centre = own.depth, own.owner, own.intrinsics_px, own.cam_from_world, own.centre
    texels, other_camera, other_pose = other.texels, other.intrinsics_px, other.cam_from_world
    width = depth.shape[1]
    half = np.float32(0.5)
    m = other_pose
    for y in range(first, end):
        for x in range(width):
            f = owner[y, x]
            if f < 0:
                continue
            a, b = (np.float32(x) + half - camera[2]) / camera[0], (np.float32(y) + half - camera[3]) / camera[1]
            rx = pose[0, 0] * a + pose[1, 0] * b + pose[2, 0]
            ry = pose[0, 1] * a + pose[1, 1] * b + pose[2, 1]
            rz = pose[0, 2] * a + pose[1, 2] * b + pose[2, 2]
            z = depth[y, x]
            px, py, pz = centre[0] + z * rx, centre[1] + z * ry, centre[2] + z * rz
            w = m[2, 0] * px + m[2, 1] * py + m[2, 2] * pz + m[2, 3]
            if w <= np.float32(1e-6):
                continue
            s = (m[0, 0] * px + m[0, 1] * py + m[0, 2] * pz + m[0, 3]) / w
            t = (m[1, 0] * px + m[1, 1] * py + m[1, 2] * pz + m[1, 3]) / w
            u, v = other_camera[0] * s + other_camera[2] - half, other_camera[1] * t + other_camera[3] - half
            if not (u >= 0 and v >= 0 and u < texels.shape[1] - 1 and v < texels.shape[0] - 1):
                continue
            if not _in_sight(other.depth, int(u), int(v), w):
                continue
            ox, oy, oz = px - other.centre[0], py - other.centre[1], pz - other.centre[2]
            corners = vertices[faces[f, 0]], vertices[faces[f, 1]], vertices[faces[f, 2]]
            move = _move_along_ray(corners, (rx, ry, rz), (ox, oy, oz))
            if move == 0:
                continue
            dw = m[2, 0] * rx + m[2, 1] * ry + m[2, 2] * rz
            du = other_camera[0] * (m[0, 0] * rx + m[0, 1] * ry + m[0, 2] * rz - s * dw) / w
            dv = other_camera[1] * (m[1, 0] * rx + m[1, 1] * ry + m[1, 2] * rz - t * dw) / w
            grey, gx, gy = _sample(texels, u, v)
            warped[y, x] = grey
            slope[y, x] = (gx * du + gy * dv) * move


@njit(cache=True)
def _in_sight(depth, left, top, z):  # type: ignore[no-untyped-def]
    """Whether a point at depth z is on the surface that the four pixels from (left, top) see, and not behind it."""
    nearest = min(depth[top, left], depth[top, left + 1], depth[top + 1, left], depth[top + 1, left + 1])
    return nearest < np.float32(1e29) and z <= nearest * np.float32(1 + SAME_DEPTH)


@njit(cache=True)
def _accumulate(sums, own, other, agreement, slope, frame, faces):  # type: ignore[no-untyped-def]
    """Add residuals and their derivatives to the vertices of each pixel's face, by barycentric weights, in place."""
    gradient, curvature, pixel_size, weight = sums
    owner, depth, corners, focal = frame.owner, frame.depth, frame.corners, frame.intrinsics_px[0]
    height, width = owner.shape
    share = np.zeros(3, np.float32)
    for y in range(height):
        for x in range(width):
            if np.isnan(slope[y, x]) or agreement[y, x] == 0:
                continue
            f = owner[y, x]
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            x0, y0 = corners[i, 0], corners[i, 1]
            x1, y1, x2, y2 = corners[j, 0] - x0, corners[j, 1] - y0, corners[k, 0] - x0, corners[k, 1] - y0
            area = x1 * y2 - x2 * y1
            if area == 0:
                continue
            px, py = np.float32(x) + np.float32(0.5) - x0, np.float32(y) + np.float32(0.5) - y0
            share[1] = min(max((px * y2 - x2 * py) / area, np.float32(0)), np.float32(1))
            share[2] = min(max((x1 * py - px * y1) / area, np.float32(0)), np.float32(1))
            share[0] = max(np.float32(1) - share[1] - share[2], np.float32(0))
            residual = other[y, x, 0] * other[y, x, 1] - own[y, x, 0] * own[y, x, 1]
            row = slope[y, x] * other[y, x, 1]
            trust = agreement[y, x] * np.float32(MAX_RESIDUAL) / max(abs(residual), np.float32(MAX_RESIDUAL))
            for c in range(3):
                v = faces[f, c]
                gradient[v] += share[c] * trust * row * residual
                curvature[v] += share[c] * trust * row * row
                pixel_size[v] += share[c] * depth[y, x] / focal
                weight[v] += share[c]
