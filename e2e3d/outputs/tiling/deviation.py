"""How far a reduced surface is from the one that it stands for: an upper bound, and not a sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Faces = NDArray[np.integer]

_TIGHT, _CUTS = 1.1, 6
_ROUNDING = 1e-6  # of the coordinates, which distances in single precision cannot resolve


def deviation_bound(
    vertices: Floats, faces: Faces, reduced_vertices: Floats, reduced_faces: Faces, enough: float = 0.0
) -> float:
    """An upper bound of the distance from any point of a surface to the reduced one, in units of the model.

    The distance to one triangle is a convex function, so over a face it is largest at a corner. Each face is held
    against the triangles nearest to its corners, and the least of their bounds counts. Faces that may be farther away
    than any corner found so far are cut into four, and looked at again, until the bound is within a tenth.

    Args:
        vertices: [V, 3], of the surface.
        faces: [F, 3], at least one.
        reduced_vertices: [W, 3], of the other.
        reduced_faces: [G, 3].
        enough: a distance that makes no difference; faces that stay within it are not looked at again, and the bound
            is no lower. Nearly all work is saved where it is several edges of a face long.
    """
    target = _Target(reduced_vertices, reduced_faces)
    used, local = np.unique(faces, return_inverse=True)
    points = np.asarray(vertices, np.float64)[used]
    distance, nearest = target.nearest(points)
    local = local.reshape(-1, 3)
    corners, found, settled = points[local], max(enough, float(distance.max())), 0.0
    bounds = target.bounds(corners, distance[local], nearest[local], found)
    for _ in range(_CUTS):
        open_ = bounds > _TIGHT * found
        settled = max(settled, float(bounds[~open_].max(initial=0.0)))
        corners = _quarters(corners[open_])
        distance, nearest = target.nearest(corners.reshape(-1, 3))
        found = max(found, float(distance.max(initial=0.0)))
        bounds = target.bounds(corners, distance.reshape(-1, 3), nearest.reshape(-1, 3), found)
    return max(found, settled, float(bounds.max(initial=0.0))) + _ROUNDING * float(np.abs(points).max())


def _quarters(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """The four triangles [4 N, 3, 3] between the corners of each [N, 3, 3] and the middles of its sides."""
    middles = 0.5 * (corners + np.roll(corners, -1, 1))
    outer = [np.stack([corners[:, k], middles[:, k], middles[:, k - 1]], 1) for k in range(3)]
    return np.concatenate([*outer, middles])


class _Target:
    """The surface to which distances are taken."""

    def __init__(self, vertices: Floats, faces: Faces) -> None:
        import open3d as o3d

        self._triangles = np.asarray(vertices, np.float64)[np.asarray(faces)]
        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(np.asarray(vertices, np.float32), np.asarray(faces, np.uint32))

    def nearest(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distance from each point [N, 3], and the triangle that is nearest."""
        found = self._scene.compute_closest_points(points.astype(np.float32))
        distance = np.linalg.norm(found["points"].numpy() - points, axis=1)
        return distance, found["primitive_ids"].numpy().astype(np.int64)

    def bounds(
        self, corners: NDArray[np.float64], distance: NDArray[np.float64], nearest: NDArray[np.int64], found: float
    ) -> NDArray[np.float64]:
        """What no point of triangles [N, 3, 3] exceeds, from what is nearest to their corners [N, 3]."""
        bounds: NDArray[np.float64] = distance.max(1)
        edges = np.linalg.norm(corners - np.roll(corners, 1, 1), axis=2).max(1)
        several = (nearest != nearest[:, :1]).any(1)
        looked = np.flatnonzero(several & (bounds + edges / 3**0.5 > _TIGHT * found))
        to_target = _triangle_distances(corners[looked][:, None], self._triangles[nearest[looked]][:, :, None])
        convex = to_target.max(2).min(1)  # of targets by corners
        bounds[several] += edges[several] / 3**0.5  # no point is farther than this from a corner
        bounds[looked] = np.minimum(bounds[looked], convex)
        return bounds


def _triangle_distances(points: NDArray[np.float64], triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances from points [..., 3] to triangles [..., 3, 3], which are broadcast against each other."""
    a, b, c = triangles[..., 0, :], triangles[..., 1, :], triangles[..., 2, :]
    on_edges = np.minimum(
        np.minimum(_segment_distances(points, a, b), _segment_distances(points, b, c)), _segment_distances(points, c, a)
    )
    normal = np.cross(b - a, c - a)
    area = np.einsum("...i,...i", normal, normal)
    offset = points - a
    with np.errstate(divide="ignore", invalid="ignore"):
        weight_b = np.einsum("...i,...i", np.cross(offset, c - a), normal) / area
        weight_c = np.einsum("...i,...i", np.cross(b - a, offset), normal) / area
        height = np.abs(np.einsum("...i,...i", offset, normal)) / np.sqrt(area)
    inside = (area > 0) & (weight_b >= 0) & (weight_c >= 0) & (weight_b + weight_c <= 1)
    distance: NDArray[np.float64] = np.where(inside, height, on_edges)
    return distance


def _segment_distances(
    points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    along = end - start
    length = np.einsum("...i,...i", along, along)
    share = np.einsum("...i,...i", points - start, along) / np.where(length > 0, length, 1)
    distance: NDArray[np.float64] = np.linalg.norm(points - start - np.clip(share, 0, 1)[..., None] * along, axis=-1)
    return distance
