"""Where the search starts: planes from the sparse points, and planes handed from one pyramid level to the next."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.stereo.planes import Intrinsics, Plane, normal_from_plane, plane_from_normal, ray_through
from e2e3d.ops.stereo.problem import Problem, State
from e2e3d.runtime.threads import in_blocks

_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_REACH = np.float32(1.05)
_LEAST_COST = np.float32(0.1)


def planes_from_points(
    points_px: NDArray[np.float32],  # [N, 2]
    depths: NDArray[np.float32],  # [N]
    size: tuple[int, int],
    depth_range: tuple[float, float],
    seed: int,
) -> NDArray[np.float32]:
    """float32 [H, W, 3] planes, facing the camera, at the depth of the nearest sparse point; random without any point.

    The nearest point rather than an interpolation: it is right on one side of every depth edge, and far quicker. Points
    outside of the image are not used. Nearest to about a pixel, by OpenCV's distance transform (Borgefors, CVGIP 1986).
    """
    width, height = size
    w_min, w_max = 1 / depth_range[1], 1 / depth_range[0]
    planes = np.zeros((height, width, 3), np.float32)
    column, row = np.floor(points_px.T).astype(np.int64)
    keep = (depths > 0) & np.isfinite(depths) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    if not keep.any():
        planes[..., 0] = np.random.default_rng(seed).uniform(w_min, w_max, (height, width))
        return planes
    order = np.flatnonzero(keep)[np.argsort(-depths[keep], kind="stable")]  # of those in one pixel, the foremost stays
    column, row = column[order], row[order]
    empty = np.ones((height, width), np.uint8)
    empty[row, column] = 0
    _, nearest = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    inverse_depth = np.zeros(int(nearest.max()) + 1, np.float32)
    inverse_depth[nearest[row, column]] = 1 / depths[order]
    planes[..., 0] = np.clip(inverse_depth[nearest], w_min, w_max)
    return planes


def upsample_planes(
    coarse: Problem, state: State, fine_grey: NDArray[np.uint8], color_scale: float, threads: int = 1
) -> NDArray[np.float32]:
    """Planes [H, W, 3] for the next level with greys `fine_grey`, uint8 [H, W]; exact on planar surfaces.

    Each pixel takes the plane of one of the four nearest coarse pixels, extended to its own centre: the one with the
    largest product of bilinear weight, likeness of grey and likelihood of cost, so that depth edges follow image edges.
    """
    planes = np.empty((*fine_grey.shape, 3), np.float32)
    scale = np.float32(1 / color_scale)

    def work(first: int, end: int) -> None:
        _upsample_rows(state.plane, state.cost, coarse.grey, fine_grey, scale, planes, first, end)

    in_blocks(work, len(fine_grey), threads)
    return planes


@njit(cache=True, nogil=True, error_model="numpy")
def _upsample_rows(
    planes: NDArray[np.float32],
    cost: NDArray[np.float32],
    coarse_grey: NDArray[np.uint8],
    grey: NDArray[np.uint8],
    color_scale: np.float32,
    result: NDArray[np.float32],
    first: int,
    end: int,
) -> None:
    height, width = grey.shape
    coarse_height, coarse_width = coarse_grey.shape
    ratio_x = np.float32(coarse_width) / np.float32(width)
    ratio_y = np.float32(coarse_height) / np.float32(height)
    for y in range(first, end):
        v = (np.float32(y) + _HALF) * ratio_y - _HALF
        row = min(max(int(np.floor(v)), 0), coarse_height - 2)
        for x in range(width):
            u = (np.float32(x) + _HALF) * ratio_x - _HALF
            column = min(max(int(np.floor(u)), 0), coarse_width - 2)
            best = np.float32(-1.0)
            for k in range(4):
                r, c = row + (k >> 1), column + (k & 1)
                du, dv = u - np.float32(c), v - np.float32(r)
                difference = (np.float32(grey[y, x]) - np.float32(coarse_grey[r, c])) * color_scale
                weight = (_REACH - abs(du)) * (_REACH - abs(dv))
                weight /= (_ONE + difference * difference) * (_LEAST_COST + cost[r, c])
                if weight > best:
                    best = weight
                    result[y, x, 0] = planes[r, c, 0] + planes[r, c, 1] * du + planes[r, c, 2] * dv
                    result[y, x, 1] = planes[r, c, 1] * ratio_x
                    result[y, x, 2] = planes[r, c, 2] * ratio_y


@njit(cache=True, error_model="numpy")
def planes_from_maps(
    depth: NDArray[np.float32], normal: NDArray[np.float32], camera: Intrinsics
) -> NDArray[np.float32]:
    """Planes [H, W, 3] of a depth and normal map; zeros where depth is 0."""
    height, width = depth.shape
    planes = np.zeros((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            if depth[y, x] > 0:
                ray = ray_through(camera, np.float32(x) + _HALF, np.float32(y) + _HALF)
                n = normal[y, x]
                plane = plane_from_normal(depth[y, x], (n[0], n[1], n[2]), ray, camera)
                planes[y, x, 0], planes[y, x, 1], planes[y, x, 2] = plane.w, plane.gx, plane.gy
    return planes


@njit(cache=True, error_model="numpy")
def maps_from_planes(
    planes: NDArray[np.float32], keep: NDArray[np.bool_], camera: Intrinsics
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Depth [H, W] and normal [H, W, 3] of planes; zeros where `keep` is False."""
    height, width = keep.shape
    depth = np.zeros((height, width), np.float32)
    normal = np.zeros((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            if keep[y, x] and planes[y, x, 0] > 0:
                ray = ray_through(camera, np.float32(x) + _HALF, np.float32(y) + _HALF)
                plane = Plane(planes[y, x, 0], planes[y, x, 1], planes[y, x, 2])
                depth[y, x] = _ONE / plane.w
                nx, ny, nz = normal_from_plane(plane, ray, camera)
                normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = nx, ny, nz
    return depth, normal
