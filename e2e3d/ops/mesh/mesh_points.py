"""Choose the points that a surface is built from: well triangulated, and not isolated.

The error of a depth grows with the footprint and with one over the sine of the triangulation angle. What lies far
behind the subject has errors many times those of the subject: a surface through it would be noise in scattered pieces,
and it would stretch the octree over empty space.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import PointCloud
from e2e3d.ops.fusion.cells import cell_numbers
from e2e3d.ops.numba_jit import njit
from e2e3d.ops.row_kernels import over_rows

Mask = NDArray[np.bool_]

_CELLS_AROUND = 8  # of a grid, searched in each direction
_MOST_CELLS_A_SIDE = 1 << 20
_FLATTEST = 0.05  # cosine between ray and normal, below which pixels count as no longer


def triangulation_angles(
    cloud: PointCloud, centers_world: NDArray[np.float64], image_indices: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Widest angle [N] in degrees between the ray of a point's first view and those of its others.

    Args:
        cloud: N points with the views that agree on each.
        centers_world: float64 [C, 3], camera centres.
        image_indices: int32 [C], the views that these are the centres of.
    """
    position = _positions(image_indices, cloud.view_indices)
    cosines = _smallest_cosines(
        cloud.points_world, cloud.view_offsets, cloud.view_indices, centers_world.astype(np.float32), position
    )
    return np.asarray(np.degrees(np.arccos(np.clip(cosines, -1, 1))), np.float32)


def _positions(image_indices: NDArray[np.int32], asked: NDArray[np.int32]) -> NDArray[np.int32]:
    """Where in `image_indices` each image is, by its index; -1 for one of `asked` that is not among them."""
    position = np.full(int(max(image_indices.max(initial=0), asked.max(initial=0))) + 1, -1, np.int32)
    position[image_indices] = np.arange(len(image_indices), dtype=np.int32)
    return position


@njit(cache=True, nogil=True)
def _smallest_cosines(points, offsets, views, centers, position):  # type: ignore[no-untyped-def]
    result = np.ones(len(points), np.float32)
    ray, first = np.zeros(3), np.zeros(3)
    for i in range(len(points)):
        for k in range(offsets[i], offsets[i + 1]):
            center = position[views[k]]
            if center < 0:
                continue
            length = 0.0
            for c in range(3):
                ray[c] = float(centers[center, c]) - float(points[i, c])
                length += ray[c] * ray[c]
            cosine = 0.0
            for c in range(3):
                ray[c] /= np.sqrt(length)
                cosine += ray[c] * first[c]
            if k == offsets[i]:
                first[:] = ray
            else:
                result[i] = min(result[i], cosine)
    return result


def pixel_stretch(
    cloud: PointCloud, centers_world: NDArray[np.float64], image_indices: NDArray[np.int32]
) -> NDArray[np.float32]:
    """How many times longer than wide the pixel is [N] on the surface around a point, by its first view and its normal.

    Args:
        cloud: N points with the views that agree on each.
        centers_world: float64 [C, 3], camera centres.
        image_indices: int32 [C], the views that these are the centres of.
    """
    first = cloud.view_indices[cloud.view_offsets[:-1]]
    camera = np.maximum(_positions(image_indices, first)[first], 0)
    rays = centers_world[camera].astype(np.float32) - cloud.points_world
    cosine = np.einsum("nc,nc->n", rays, cloud.normals_world) / np.maximum(np.linalg.norm(rays, axis=1), 1e-12)
    return np.asarray(1 / np.clip(cosine, _FLATTEST, 1), np.float32)


def well_triangulated(cloud: PointCloud, angles_deg: NDArray[np.float32], max_ratio: float) -> Mask:
    """Which points [N] have a depth error within `max_ratio` times that of the subject.

    The subject's is the median over all observations of all points, so that what many views look at decides.
    """
    error = cloud.footprint / np.maximum(np.sin(np.radians(np.minimum(angles_deg, 90))), 1e-6)
    order = np.argsort(error, kind="stable")
    observations = np.cumsum(cloud.view_count[order], dtype=np.int64)
    middle = order[np.searchsorted(observations, observations[-1] // 2)]
    return np.asarray(error <= max_ratio * error[middle])


def has_neighbours(
    points_world: NDArray[np.float32], footprint: NDArray[np.float32], others: int, radius: float
) -> Mask:
    """Which points [N] have at least so many `others` within `radius` times their own footprint [N].

    Nearly all have, and a few points around them show it: they are looked for in a grid with cells as wide as the
    median radius. Points with radii of many cells that are still undecided are looked at in coarser grids.
    """
    reach = (np.float32(radius) * footprint).astype(np.float64)
    result = np.zeros(len(points_world), np.bool_)
    undecided = np.ones(len(points_world), np.bool_)
    width = float(np.median(reach)) if len(reach) else 1.0
    while undecided.any():
        order, cell, strides, width = _grid(points_world, width)
        found = np.zeros(len(order), np.bool_)
        points, near = points_world[order], reach[order] / width
        _count_neighbours(cell, strides, points, near, undecided[order], width, others, found)
        result[order[found]] = True
        width *= _CELLS_AROUND
        undecided &= ~result & (reach > width)
    return result


def _grid(
    points_world: NDArray[np.float32], width: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], float]:
    """Points by cell: their order [N], the cells in that order [N], the steps [3] to the next cell along each axis.

    The cells' width is the last: at least `width`, and so that their numbers fit. Empty layers lie around the grid.
    """
    extent = float(np.ptp(points_world, axis=0).max())
    width = max(width, extent / _MOST_CELLS_A_SIDE, float(np.finfo(np.float32).tiny))
    cell, strides = cell_numbers(points_world, width, _CELLS_AROUND)
    order = np.argsort(cell)
    return order, cell[order], strides, width


@over_rows
def _count_neighbours(first, end, cell, strides, points, reach, wanted, width, others, found):  # type: ignore[no-untyped-def]
    """Set `found` [N] for `wanted` points that have the others; all in the order of cells, `reach` in cells.

    Mostly the own cell is enough, else the cells around it; then all that the radius reaches are searched.
    """
    begin = np.searchsorted(cell, cell[first])
    for i in range(first, end):
        if cell[i] != cell[begin]:
            begin = i
        if wanted[i]:
            radius, widest = reach[i] * width, min(math.ceil(reach[i]), _CELLS_AROUND)
            near = _neighbours_in_row(i, points, cell, begin, cell[i], radius, -1, others)
            if near < others:
                near = _neighbours_around(i, points, cell, strides, 1, radius, others)
            if near < others and widest > 1:
                near = _neighbours_around(i, points, cell, strides, widest, radius, others)
            found[i] = near >= others


@njit(cache=True, nogil=True)
def _neighbours_around(i, points, cell, strides, around, radius, others):  # type: ignore[no-untyped-def]
    """How many points lie within `radius` of point i in its cell and so many `around` it; at most `others`."""
    near = -1  # the point itself
    for a in range(-around, around + 1):
        for b in range(-around, around + 1):
            middle = cell[i] + a * strides[0] + b * strides[1]
            start = np.searchsorted(cell, middle - around)
            near = _neighbours_in_row(i, points, cell, start, middle + around, radius, near, others)
            if near >= others:
                return near
    return near


@njit(cache=True, nogil=True)
def _neighbours_in_row(i, points, cell, start, last, radius, near, others):  # type: ignore[no-untyped-def]
    """`near` and the points within `radius` of point i in the cells up to `last`, from `start` on; at most `others`."""
    x, y, z = float(points[i, 0]), float(points[i, 1]), float(points[i, 2])
    for j in range(start, len(cell)):
        if cell[j] > last or near >= others:
            break
        dx, dy, dz = x - points[j, 0], y - points[j, 1], z - points[j, 2]
        near += dx * dx + dy * dy + dz * dz <= radius * radius
    return near


def take_points(cloud: PointCloud, keep: Mask) -> PointCloud:
    """The points of `cloud` where `keep` [N] is true, in the same order."""
    counts = np.diff(cloud.view_offsets)
    return PointCloud(
        points_world=cloud.points_world[keep],
        normals_world=cloud.normals_world[keep],
        colors=cloud.colors[keep],
        confidence=cloud.confidence[keep],
        view_count=cloud.view_count[keep],
        footprint=cloud.footprint[keep],
        view_offsets=np.concatenate([[0], np.cumsum(counts[keep])]).astype(np.int64),
        view_indices=cloud.view_indices[np.repeat(keep, counts)],
    )
