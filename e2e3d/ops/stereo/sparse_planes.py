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

MOST_PLANES = 4
_LEAST_POINTS = 15
_SAME_PX = 1.0  # by how much points may miss a plane, as shift in the sources
_TRIALS = 300


def planes_of_sparse_points(
    view: View, sources: Sequence[View], size: tuple[int, int], inverse_shift: float
) -> NDArray[np.float32]:
    """float32 [H, W, K, 3]: the planes of the sparse points of all views at every pixel, zeros where out of range.

    Args:
        view: the reference.
        sources: the views to match with.
        size: width and height of the level.
        inverse_shift: change of inverse depth that moves a source position by about one pixel.
    """
    scale = np.array([size[0] / view.image.shape[1], size[1] / view.image.shape[0]])
    camera = view.intrinsics_px * np.tile(scale, 2)
    rows, columns = np.mgrid[: size[1], : size[0]] + 0.5
    places = np.stack([columns.ravel(), rows.ravel()], 1)
    w_min, w_max = 1 / view.depth_range[1], 1 / view.depth_range[0]
    offered = []
    for plane in common_planes(_points(view, sources, camera), _SAME_PX * inverse_shift):
        w = at_pixels(plane, places)
        at_each = np.stack([w, np.full(len(w), plane[0]), np.full(len(w), plane[1])], 1)
        at_each[(w < w_min) | (w > w_max)] = 0
        offered.append(at_each.reshape(*rows.shape, 3))
    return np.asarray(np.stack(offered, 2) if offered else np.zeros((*rows.shape, 0, 3)), np.float32)


def common_planes(points: NDArray[np.float64], tolerance: float) -> list[NDArray[np.float64]]:
    """Up to `MOST_PLANES` planes that each pass many of `points` [N, 3], the one with most first."""
    random, planes = np.random.default_rng(0), []
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


def _points(view: View, sources: Sequence[View], camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """Column, row and inverse depth [N, 3] in the reference, with `camera` (fx, fy, cx, cy), of all sparse points."""
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
