"""Fill the holes that aerial surveys leave in the surface seen from above, such as forest.

Where all cameras look straight down, the surface is a height over the ground plan, and a hole in it can only be some
height between those around it. So a grid of heights is laid through the points, as smooth as where they are few or
scattered as it is exact where they are many (a membrane: Terzopoulos, CVGIP 1983), and cells with next to no points
that a photograph shows get points on it. Other sets stay as they are: the back of an object is no hole.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import spsolve

from e2e3d.data.dense import PointCloud, View
from e2e3d.ops.fusion.depth_rims import pixels_of

Floats = NDArray[np.float64]

_STRAIGHT_DOWN_DEG, _MOST = 30.0, 0.8  # of the views of a survey so many look down so steeply
_LEAST_VIEWS = 3
_MOST_CELLS_A_SIDE = 512
_FEW_POINTS = 8  # in a cell that is three pixels wide; a surface that views agree on has about 27
_SIDE = 5  # rows and columns of points added to a cell, to count as much as a surface
_STIFFNESS = 2.0  # weight of a difference between neighbours beside that of one point
_REACH = 1 / 10  # how far from the next point heights are used, in longest sides of the grid


def looks_down(poses: NDArray[np.float64]) -> bool:
    """Whether `poses` (cam_from_world [C, 3, 4]) are of a survey from above: nearly all look down the z axis."""
    downwards = -poses[:, 2, 2]
    return bool(len(poses) >= _LEAST_VIEWS and np.mean(downwards >= np.cos(np.radians(_STRAIGHT_DOWN_DEG))) >= _MOST)


def with_filled_heights(cloud: PointCloud, views: Iterable[View], cell: float) -> PointCloud:
    """`cloud` with points added in the cells of the ground plan that have next to none; z is up.

    Args:
        cloud: the fused points.
        views: of a survey, see :func:`looks_down`; gone through once.
        cell: width of a cell, model units; wider where there would be too many.
    """
    origin = cloud.points_world[:, :2].min(0).astype(np.float64)
    extent = np.ptp(cloud.points_world[:, :2], axis=0)
    cell = max(cell, float(extent.max()) / _MOST_CELLS_A_SIDE)
    shape = tuple((extent[::-1] // cell + 1).astype(int))
    column, row = np.floor((cloud.points_world[:, :2] - origin) / cell).astype(np.int64).T
    number = row * shape[1] + column
    count = np.bincount(number, minlength=shape[0] * shape[1]).reshape(shape)
    mean = np.bincount(number, cloud.points_world[:, 2], shape[0] * shape[1]).reshape(shape) / np.maximum(count, 1)
    height = _membrane(mean, count)
    measured = count >= _FEW_POINTS
    distance = cv2.distanceTransform((~measured).astype(np.uint8), cv2.DIST_L2, 5)
    rows, columns = np.nonzero(~measured & _hull(measured) & (distance <= _REACH * max(shape)))
    if not len(rows):
        return cloud
    by_row = np.gradient(height, axis=0)[rows, columns, None]
    by_column = np.gradient(height, axis=1)[rows, columns, None]
    dy, dx = (np.mgrid[:_SIDE, :_SIDE].reshape(2, -1) + 0.5) / _SIDE - 0.5  # within a cell
    z = height[rows, columns, None] + by_row * dy + by_column * dx
    x, y = origin[0] + (columns[:, None] + 0.5 + dx) * cell, origin[1] + (rows[:, None] + 0.5 + dy) * cell
    places = np.stack([x, y, z], -1).reshape(-1, 3)
    normals = np.repeat(np.concatenate([-by_column, -by_row, np.full_like(by_row, cell)], 1), _SIDE**2, axis=0)
    seen, images = _nearest_view(places, views)
    return _added(cloud, places, normals, seen, images, cell)


def _membrane(mean: Floats, count: NDArray[np.int64]) -> Floats:
    """Heights [H, W] near the `mean` [H, W] of a cell's points where their `count` [H, W] is high, smooth elsewhere."""
    size = mean.size
    number = np.arange(size).reshape(mean.shape)
    pairs = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    first, second = (np.concatenate([pair[k].ravel() for pair in pairs]) for k in (0, 1))
    joined = coo_array((np.full(len(first), _STIFFNESS), (first, second)), (size, size)).tocsr()
    joined = joined + joined.T
    weight = count.ravel().astype(np.float64)
    system = diags_array(weight + np.asarray(joined.sum(1)).ravel()) - joined
    return np.asarray(spsolve(system.tocsc(), weight * mean.ravel())).reshape(mean.shape)


def _hull(measured: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The cells [H, W] in the convex hull of those `measured` [H, W], single ones left out."""
    firm = cv2.morphologyEx(measured.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    hull = np.zeros_like(firm)
    if firm.any():
        cv2.fillConvexPoly(hull, cv2.convexHull(cv2.findNonZero(firm)), 1)
    return np.asarray(hull > 0)


def _nearest_view(places: Floats, views: Iterable[View]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Whether a view shows each of `places` [N, 3], and the image of the nearest that does; both [N]."""
    nearest, image = np.full(len(places), np.inf), np.zeros(len(places), np.int64)
    for view in views:
        inside, rows, columns, depth = pixels_of(places, view.image.shape, view.intrinsics_px, view.cam_from_world)
        used = depth < nearest[inside]
        if view.mask is not None:
            used &= view.mask[rows, columns]
        nearest[inside[used]] = depth[used]
        image[inside[used]] = view.image_index
    return np.isfinite(nearest), image


def _added(
    cloud: PointCloud,
    places: Floats,
    normals: Floats,
    keep: NDArray[np.bool_],
    images: NDArray[np.int64],
    cell: float,
) -> PointCloud:
    """`cloud` and points at the `places` [N, 3] to `keep` [N], grey and without confidence; half a cell is a pixel."""
    places, normals, images = places[keep], normals[keep], images[keep]
    count = len(places)
    ends = cloud.view_offsets[-1] + np.arange(1, count + 1)
    return PointCloud(
        points_world=np.concatenate([cloud.points_world, places.astype(np.float32)]),
        normals_world=np.concatenate([cloud.normals_world, _unit(normals)]),
        colors=np.concatenate([cloud.colors, np.full((count, 3), 128, np.uint8)]),
        confidence=np.concatenate([cloud.confidence, np.zeros(count, np.float32)]),
        view_count=np.concatenate([cloud.view_count, np.ones(count, np.uint16)]),
        footprint=np.concatenate([cloud.footprint, np.full(count, cell / 2, np.float32)]),
        view_offsets=np.concatenate([cloud.view_offsets, ends]),
        view_indices=np.concatenate([cloud.view_indices, images.astype(np.int32)]),
    )


def _unit(vectors: Floats) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
