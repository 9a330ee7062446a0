"""Bring a coarse surface onto the points: projection onto local planes, as in moving least squares.

The coarse mesh carries the topology and closes holes; the detail comes from the points. Each vertex moves along the
mean normal of its nearest points to their weighted mean plane (Alexa et al., TVCG 2003, one step with a constant
basis); weights fall with distance in units of each point's footprint and with the angle between the normals, so that
the back of a thin part does not pull at its front.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from e2e3d.data.dense import PointCloud
from e2e3d.ops.numba_jit import njit
from e2e3d.runtime.threads import in_blocks

Floats = NDArray[np.float32]

_NEIGHBOURS = 12
_CHUNK = 100_000


def project_to_points(
    vertices: Floats, normals: Floats, cloud: PointCloud, tree: cKDTree, radius_footprints: float, threads: int
) -> Floats:
    """Move vertices [V, 3] with unit normals [V, 3] onto the surface of the points around them.

    Vertices far from all points, in units of the points' footprint, stay where they are.
    """
    moved = np.empty_like(vertices)

    def project(part: slice) -> None:
        distances, nearest = tree.query(vertices[part], min(_NEIGHBOURS, tree.n))
        _project(
            vertices[part],
            normals[part],
            distances.astype(np.float32),
            nearest,
            cloud.points_world,
            cloud.normals_world,
            cloud.confidence,
            cloud.footprint,
            np.float32(radius_footprints),
            moved[part],
        )

    _in_chunks(project, len(vertices), threads)
    return moved


def _in_chunks(work: Callable[[slice], None], count: int, threads: int) -> None:
    """Call `work` for slices that cover `count` rows, on threads; short ones, to bound the memory."""

    def chunks(first: int, end: int) -> None:
        for start in range(first, end, _CHUNK):
            work(slice(start, min(start + _CHUNK, end)))

    in_blocks(chunks, count, threads)


@njit(cache=True, nogil=True, fastmath=True)
def _project(vertices, normals, distances, nearest, points, point_normals, confidence, footprint, radius, moved):  # type: ignore[no-untyped-def]
    for i in range(len(vertices)):
        total = np.float32(1e-3)  # keeps vertices without support in place
        shift = np.zeros(3, np.float32)
        direction = np.zeros(3, np.float32)
        for k in range(nearest.shape[1]):
            j = nearest[i, k]
            cosine = np.float32(0)
            for c in range(3):
                cosine += point_normals[j, c] * normals[i, c]
            scaled = distances[i, k] / (radius * footprint[j])
            if cosine <= 0 or scaled > 3:
                continue
            weight = np.exp(np.float32(-0.5) * scaled * scaled) * cosine * cosine * confidence[j]
            total += weight
            for c in range(3):
                shift[c] += weight * (points[j, c] - vertices[i, c])
                direction[c] += weight * point_normals[j, c]
        norm = np.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2)
        step = np.float32(0)
        if norm > np.float32(1e-9):
            for c in range(3):
                direction[c] /= norm
                step += shift[c] / total * direction[c]
        limit = np.float32(2) * radius * footprint[nearest[i, 0]]
        step = max(-limit, min(limit, step))
        for c in range(3):
            moved[i, c] = vertices[i, c] + step * direction[c]


def colors_from_points(vertices: Floats, cloud: PointCloud, tree: cKDTree, threads: int) -> NDArray[np.uint8]:
    """Colour [V, 3] of each vertex: mean of its nearest points, weighted by inverse distance."""
    colors = np.empty((len(vertices), 3), np.uint8)

    def mean_colors(part: slice) -> None:
        distances, nearest = tree.query(vertices[part], min(4, tree.n))
        weights = 1 / (distances + 0.5 * cloud.footprint[nearest] + 1e-12)
        mean = np.einsum("vk,vkc->vc", weights / weights.sum(1, keepdims=True), cloud.colors[nearest])
        colors[part] = np.clip(mean + 0.5, 0, 255)

    _in_chunks(mean_colors, len(vertices), threads)
    return colors
