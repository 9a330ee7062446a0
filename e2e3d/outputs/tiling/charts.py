"""Charts of a tile: the ones that it has already, or new ones, seen along the axes that its faces look to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.ops.formats.corners import unique_uv
from e2e3d.ops.mesh.mesh_topology import edge_pairs

_SMOOTHING = 3  # rounds in which faces take over the direction of their neighbours
_STEEPEST = 0.15  # cosine of the steepest angle at which a face may lie in its chart


@dataclass(frozen=True, eq=False)
class Charts:
    """Faces laid flat.

    Attributes:
        chart: int32 [F], the chart of each face; `count` how many there are.
        face_px: float32 [F, 3, 2], the corners of each face in the plane of its chart.
    """

    chart: NDArray[np.int32]
    count: int
    face_px: NDArray[np.float32]


def own_charts(textured: TexturedMesh) -> Charts:
    """The charts that the texture has: faces that are connected on their page, in pixels of the page, y down."""
    _, corners = unique_uv(textured)
    first, second = _face_pairs(corners.astype(np.int32))
    same = textured.face_page[first] == textured.face_page[second]
    size_px = np.array([page.shape[1::-1] for page in textured.pages], np.float32)[textured.face_page][:, None]
    flat = np.stack([textured.uv[..., 0], 1 - textured.uv[..., 1]], 2) * size_px
    return _charts(len(corners), first[same], second[same], flat)


def projected_charts(mesh: Mesh, texels_per_unit: float) -> Charts:
    """Charts of faces that are connected and look along the same of six axes, as seen along it."""
    corners = mesh.vertices_world.astype(np.float64)[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    first, second = _face_pairs(mesh.faces)
    axis = _directions(normals, first, second)
    plane = np.array([(1, 2), (0, 2), (0, 1)])[axis % 3]
    flat = np.take_along_axis(corners, plane[:, None, :].repeat(3, 1), 2) * texels_per_unit
    same = axis[first] == axis[second]
    return _charts(len(corners), first[same], second[same], flat.astype(np.float32))


def halved(charts: Charts, wanted: NDArray[np.bool_]) -> Charts:
    """The charts, of which the `wanted` bool [C] are cut in two across their longer side."""
    middle = charts.face_px.mean(1)
    order = np.argsort(charts.chart, kind="stable")
    starts = np.searchsorted(charts.chart[order], np.arange(charts.count))
    low, high = np.minimum.reduceat(middle[order], starts), np.maximum.reduceat(middle[order], starts)
    axis = np.argmax(high - low, 1)
    cut = (0.5 * (low + high))[np.arange(charts.count), axis]
    beyond = middle[np.arange(len(middle)), axis[charts.chart]] > cut[charts.chart]
    _, chart = np.unique(2 * charts.chart.astype(np.int64) + (beyond & wanted[charts.chart]), return_inverse=True)
    return Charts(chart.astype(np.int32), int(chart.max()) + 1, charts.face_px)


def _face_pairs(faces: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Faces that share an edge with each other alone: int64 [P] and int64 [P]."""
    first, second = edge_pairs(faces)
    return first % len(faces), second % len(faces)


def _directions(normals: NDArray[np.float64], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of +x, +y, +z, -x, -y, -z each face looks to, as its surroundings do where that is not too steep."""
    smooth = normals.copy()
    for _ in range(_SMOOTHING):
        total = smooth.copy()
        for k in range(3):
            total[:, k] += np.bincount(first, smooth[second, k], len(normals))
            total[:, k] += np.bincount(second, smooth[first, k], len(normals))
        smooth = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-300)
    chosen = np.concatenate([smooth, -smooth], 1).argmax(1)
    own = np.concatenate([normals, -normals], 1)
    steep = own[np.arange(len(own)), chosen] < _STEEPEST
    return np.asarray(np.where(steep, own.argmax(1), chosen), np.int64)


def _charts(count: int, first: NDArray[np.int64], second: NDArray[np.int64], flat: NDArray[np.floating]) -> Charts:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(first), np.bool_), (first, second)), (count, count))
    charts, chart = connected_components(links, directed=False)
    return Charts(chart.astype(np.int32), int(charts), flat.astype(np.float32))
