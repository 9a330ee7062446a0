"""Textures of tiles: cut out of the atlas texel by texel, or painted anew from the tiles below at half their size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.ops.texturing.atlas import Atlas, lay_out
from e2e3d.ops.texturing.packing import pack_charts
from e2e3d.outputs.tiling.charts import Charts, halved, own_charts, projected_charts

TEXTURE_PX = 2048
_CUT_ROUNDS = 6
_ROWS = 256  # of the atlas that are coloured at a time

_Colours = Callable[[NDArray[np.int32], NDArray[np.float64]], NDArray[np.uint8]]
"""Colours uint8 [N, 3] of texels, from their faces [N] and the places of their centres [N, 2] on the page."""


def cut_out(textured: TexturedMesh, faces: NDArray[np.int64]) -> TexturedMesh:
    """A part of a surface with an atlas of its own, which holds the texels of the former one unchanged.

    Args:
        textured: the whole.
        faces: int64 [F], indices of the faces wanted.

    Returns:
        the part; its atlas is at most twice :data:`TEXTURE_PX` wide, and coarser only where its charts do not fit.
    """
    used, local = np.unique(textured.mesh.faces[faces], return_inverse=True)
    mesh = Mesh(textured.mesh.vertices_world[used], textured.mesh.colors[used], local.reshape(-1, 3).astype(np.int32))
    part = TexturedMesh(mesh, textured.uv[faces], textured.face_page[faces], textured.face_image[faces], textured.pages)
    charts = own_charts(part)
    layout = pack_charts(charts.face_px, charts.chart, charts.count, 2 * TEXTURE_PX, 1)
    atlas = lay_out(charts.face_px, charts.chart, layout)

    def colours(owner: NDArray[np.int32], at_px: NDArray[np.float64]) -> NDArray[np.uint8]:
        chart = charts.chart[owner]
        before_px = (at_px - layout.origin_px[chart]) / layout.scale + layout.corner_px[chart]
        return _sampled(part.pages, part.face_page[owner], before_px)

    return _painted(mesh, atlas, colours)


def painted_anew(mesh: Mesh, children: Sequence[TexturedMesh], texels_per_unit: float) -> tuple[TexturedMesh, float]:
    """A reduced surface with new charts, coloured from the nearest points of the surfaces that it stands for.

    Args:
        mesh: the reduced surface.
        children: what it stands for; each has one page.
        texels_per_unit: how finely at most.

    Returns:
        the surface with one page of at most :data:`TEXTURE_PX`, and the texels that a unit of length has on it.
    """
    charts = projected_charts(mesh, texels_per_unit)
    for last in (*[False] * _CUT_ROUNDS, True):
        layout = pack_charts(charts.face_px, charts.chart, charts.count, TEXTURE_PX, 1)
        atlas = lay_out(charts.face_px, charts.chart, layout)
        folded = _folded(atlas, charts)
        if last or not folded.any():
            break
        charts = halved(charts, folded)
    lookup = _Lookup(children)
    corners = mesh.vertices_world[mesh.faces]

    def colours(owner: NDArray[np.int32], at_px: NDArray[np.float64]) -> NDArray[np.uint8]:
        weights = _weights(atlas.corner_px[owner].astype(np.float64), at_px)
        return lookup.colours(np.einsum("nk,nkd->nd", weights, corners[owner]).astype(np.float32))

    return _painted(mesh, atlas, colours), texels_per_unit * layout.scale


class _Lookup:
    """Colours of the nearest points of several surfaces with one page each, at half the size of their pages."""

    def __init__(self, parts: Sequence[TexturedMesh]) -> None:
        import open3d as o3d

        self._scene = o3d.t.geometry.RaycastingScene()
        for part in parts:
            self._scene.add_triangles(part.mesh.vertices_world, part.mesh.faces.astype(np.uint32))
        self._starts = np.cumsum([0, *(len(part.mesh.faces) for part in parts[:-1])])
        self._pages = [_half(part.pages[0]) for part in parts]
        flat = [np.stack([part.uv[..., 0], 1 - part.uv[..., 1]], 2) for part in parts]
        sides = [page.shape[0] for page in self._pages]
        self._corner_px = np.concatenate([uv * side for uv, side in zip(flat, sides, strict=True)]).astype(np.float32)

    def colours(self, points: NDArray[np.float32]) -> NDArray[np.uint8]:
        """uint8 [N, 3] of points [N, 3]."""
        found = self._scene.compute_closest_points(points)
        part = found["geometry_ids"].numpy().astype(np.int64)
        corners = self._corner_px[self._starts[part] + found["primitive_ids"].numpy().astype(np.int64)]
        u, v = found["primitive_uvs"].numpy().T[..., None]
        at = (1 - u - v) * corners[:, 0] + u * corners[:, 1] + v * corners[:, 2]
        return _sampled(self._pages, part, at)


def _half(page: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = max(1, page.shape[0] // 2)
    return np.asarray(cv2.resize(page, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _sampled(
    pages: Sequence[NDArray[np.uint8]], page: NDArray[np.integer], at_px: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """Bilinear colours uint8 [N, 3] at places [N, 2] of pages, in pixels whose first has its centre at 0.5."""
    colours = np.zeros((len(page), 3), np.uint8)
    for index in np.unique(page):
        own = np.flatnonzero(page == index)
        places = (at_px[own] - 0.5).astype(np.float32)
        for start in range(0, len(own), 30_000):  # the library's tables have 16 bits
            x, y = places[start : start + 30_000, None].transpose(2, 0, 1)
            colours[own[start : start + 30_000]] = cv2.remap(
                pages[index], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )[:, 0]
    return colours


def _painted(mesh: Mesh, atlas: Atlas, colours: _Colours) -> TexturedMesh:
    """The mesh with its atlas: the texels of charts and gutters from `colours`, the rest from beside."""
    owner = atlas.owner[0]
    page = np.zeros((*owner.shape, 3), np.uint8)
    for start in range(0, len(owner), _ROWS):
        rows = owner[start : start + _ROWS]
        y, x = np.nonzero(rows >= 0)
        if len(y):
            page[start + y, x] = colours(rows[y, x], np.stack([x + 0.5, y + start + 0.5], 1))
    _fill_background(page, owner < 0)
    size = np.float32(owner.shape[0])
    uv = np.stack([atlas.corner_px[..., 0] / size, 1 - atlas.corner_px[..., 1] / size], 2).astype(np.float32)
    count = len(mesh.faces)
    return TexturedMesh(mesh, uv, np.zeros(count, np.int32), np.full(count, -1, np.int32), (page,))


def _weights(corner_px: NDArray[np.float64], at_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """Barycentric weights [N, 3] of places [N, 2] in triangles [N, 3, 2], of a point beside those that lie outside."""
    (x0, y0), (x1, y1), (x2, y2) = corner_px.transpose(1, 2, 0)
    x, y = at_px.T
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    safe = np.where(area == 0, 1, area)
    b1 = np.where(area == 0, 1 / 3, ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / safe)
    b2 = np.where(area == 0, 1 / 3, ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / safe)
    weights = np.clip(np.stack([1 - b1 - b2, b1, b2], 1), 0, 1)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float64)


def _folded(atlas: Atlas, charts: Charts) -> NDArray[np.bool_]:
    """Which charts lie over themselves: bool [C]. Their texels are fewer than what their faces cover together."""
    (x0, y0), (x1, y1), (x2, y2) = atlas.corner_px.astype(np.float64).transpose(1, 2, 0)
    covered = 0.5 * np.abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0))
    wanted = np.bincount(charts.chart, covered, charts.count)
    owner = atlas.owner[0]
    there = np.bincount(charts.chart[owner[owner >= 0]], minlength=charts.count)  # with the gutter, which forgives
    folded: NDArray[np.bool_] = wanted > there + 4
    return folded


def _fill_background(page: NDArray[np.uint8], background: NDArray[np.bool_]) -> None:
    """Give texels of no chart the colour of the nearest one that has a chart, so that reduced pictures stay clean."""
    if not background.any() or background.all():
        return
    _, label = cv2.distanceTransformWithLabels(
        background.astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    colour_of = np.zeros((int(label.max()) + 1, 3), np.uint8)
    colour_of[label[~background]] = page[~background]
    page[background] = colour_of[label[background]]
