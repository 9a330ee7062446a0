"""Choose the points that a surface is built from: well triangulated, and not alone.

The error of a depth grows with the footprint and with one over the sine of the triangulation angle. What lies far
behind the subject has errors many times those of the subject: a surface through it would be noise in scattered pieces,
and it would stretch the octree over empty space.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from e2e3d.data.dense import PointCloud

Mask = NDArray[np.bool_]

_CHUNK = 500_000


def triangulation_angles(
    cloud: PointCloud, centers_world: NDArray[np.float64], image_indices: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Widest angle [N] in degrees between the ray of a point's first view and those of its others.

    Args:
        cloud: N points with the views that agree on each.
        centers_world: float64 [C, 3], camera centres.
        image_indices: int32 [C], the views that these are the centres of.
    """
    position = np.full(int(max(image_indices.max(initial=0), cloud.view_indices.max(initial=0))) + 1, -1, np.int32)
    position[image_indices] = np.arange(len(image_indices), dtype=np.int32)
    cosines = _smallest_cosines(
        cloud.points_world, cloud.view_offsets, cloud.view_indices, centers_world.astype(np.float32), position
    )
    return np.asarray(np.degrees(np.arccos(np.clip(cosines, -1, 1))), np.float32)


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


def well_placed(cloud: PointCloud, angles_deg: NDArray[np.float32], max_ratio: float) -> Mask:
    """Which points [N] have a depth error within `max_ratio` times that of the subject.

    The subject's is the median over all observations of all points, so that what many views look at decides.
    """
    error = cloud.footprint / np.maximum(np.sin(np.radians(np.minimum(angles_deg, 90))), 1e-6)
    order = np.argsort(error, kind="stable")
    observations = np.cumsum(cloud.view_count[order], dtype=np.int64)
    middle = order[np.searchsorted(observations, observations[-1] // 2)]
    return np.asarray(error <= max_ratio * error[middle])


def crowded(
    points_world: NDArray[np.float32],
    footprint: NDArray[np.float32],
    neighbours: int,
    radius_footprints: float,
    threads: int,
) -> Mask:
    """Which points [N] have so many `neighbours` within `radius_footprints` times their own footprint [N]."""
    tree = cKDTree(points_world)
    result = np.zeros(len(points_world), np.bool_)
    rank = min(neighbours + 1, tree.n)
    for first in range(0, len(result), _CHUNK):
        part = slice(first, first + _CHUNK)
        distance, _ = tree.query(points_world[part], [rank], workers=threads)
        result[part] = distance[:, 0] <= radius_footprints * footprint[part]
    return result


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
