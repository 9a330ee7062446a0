"""Planes on which many sparse points lie, for the search to try: ground and walls that are seen at flat angles.

The search draws and tilts planes at random, and hardly ever hits one whose depth changes by several per cent from one
pixel to the next. A plane of the sparse points does, also where it goes on beyond them; a pixel takes it only if its
colours match there. Planes of sparse points as priors are of TAPA-MVS (Romanoni and Matteucci, ICCV 2019) and ACMP (Xu
and Tao, AAAI 2020).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import View
from e2e3d.ops.stereo.plane_search import at_pixels, fitted_plane, plane_of_most
from e2e3d.ops.stereo.planes import Intrinsics
from e2e3d.ops.stereo.pyramid import NEARER

MOST_PLANES = 4
_LEAST_POINTS = 15
_TRIALS = 300


def planes_at_pixels(
    planes: Sequence[NDArray[np.float64]], shape: tuple[int, ...], depth_range: tuple[float, float]
) -> NDArray[np.float32]:
    """float32 [H, W, K, 3], see :mod:`e2e3d.ops.stereo.planes`: K planes at every pixel, zeros where out of range."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    places = np.stack([columns.ravel(), rows.ravel()], 1)
    result = np.zeros((*shape, len(planes), 3), np.float32)
    for k, plane in enumerate(planes):
        inverse_depth = at_pixels(plane, places).reshape(shape)
        inside = (inverse_depth >= 1 / depth_range[1]) & (inverse_depth <= NEARER / depth_range[0])
        result[inside, k, 0] = inverse_depth[inside]
        result[inside, k, 1:] = plane[:2]
    return result


def common_planes(points: NDArray[np.float64], tolerance: float) -> list[NDArray[np.float64]]:
    """Up to `MOST_PLANES` planes that each pass many of `points` [N, 3], the one with most first."""
    random = np.random.default_rng(0)
    planes: list[NDArray[np.float64]] = []
    while len(points) >= _LEAST_POINTS and len(planes) < MOST_PLANES:
        plane = plane_of_most(points, tolerance, random, _TRIALS)
        if plane is None:
            break
        on_it = np.abs(at_pixels(plane, points) - points[:, 2]) <= tolerance
        if on_it.sum() < _LEAST_POINTS:
            break
        planes.append(fitted_plane(points[on_it]))
        points = points[~on_it]
    return planes


def sparse_points_in(view: View, sources: Sequence[View], camera: Intrinsics) -> NDArray[np.float64]:
    """Column, row, inverse depth [N, 3] in a `view` with `camera` of its and the sources' points."""
    fx, fy, cx, cy = camera
    found = []
    for other in (view, *sources):
        of_x, of_y, at_x, at_y = other.intrinsics_px
        px, depth = other.sparse_px.astype(np.float64), other.sparse_depth.astype(np.float64)
        rays = np.stack([(px[:, 0] - at_x) / of_x, (px[:, 1] - at_y) / of_y, np.ones(len(px))], 1)
        world = (rays * depth[:, None] - other.cam_from_world[:, 3]) @ other.cam_from_world[:, :3]
        cam = world @ view.cam_from_world[:, :3].T + view.cam_from_world[:, 3]
        cam = cam[cam[:, 2] > view.depth_range[0]]
        found.append(np.stack([fx * cam[:, 0] / cam[:, 2] + cx, fy * cam[:, 1] / cam[:, 2] + cy, 1 / cam[:, 2]], 1))
    return np.concatenate(found)
