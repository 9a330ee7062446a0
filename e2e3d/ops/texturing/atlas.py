"""Fills the atlas: the face of each texel, and its colour from the full-resolution photograph.

A texel's surface point is projected through the complete camera model, so neither the size of a face nor lens
distortion bends the texture, and photographs are never resampled twice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.row_kernels import over_rows
from e2e3d.ops.texturing.camera import project
from e2e3d.ops.texturing.packing import CELL_PX, GUTTER_PX, AtlasLayout


class Atlas(NamedTuple):
    """Texels and what they belong to.

    Attributes:
        owner: int32 [P, S, S], the face of each texel, the gutter around a chart included; -1 = background.
        corner_px: float32 [F, 3, 2], position of each face corner on its page in texels, y down.
        page: int32 [F].
        chart: int32 [F], -1 = seen by no photograph.
    """

    owner: NDArray[np.int32]
    corner_px: NDArray[np.float32]
    page: NDArray[np.int32]
    chart: NDArray[np.int32]


class Surface(NamedTuple):
    """The mesh to paint: `vertices` float32 [V, 3] in the world, `faces` int32 [F, 3]."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]


class PosedPhoto(NamedTuple):
    """A photograph to paint from.

    Attributes:
        image: uint8 [H, W, 3].
        camera: float64 [26] of :func:`~e2e3d.ops.texturing.camera.camera_vector`.
        gain: float64 [3], what its colours are multiplied by.
    """

    image: NDArray[np.uint8]
    camera: NDArray[np.float64]
    gain: NDArray[np.float64]


def lay_out(face_px: NDArray[np.float32], chart: NDArray[np.int32], layout: AtlasLayout) -> Atlas:
    """Place every face and find the owner of every texel.

    Args:
        face_px: float32 [F, 3, 2], corners in the photograph of the face's chart, pixels.
        chart: int32 [F], -1 = seen by no photograph.
        layout: where the charts go.
    """
    seen = chart >= 0
    corner_px = np.zeros_like(face_px)
    page = np.zeros(len(chart), np.int32)
    own = chart[seen]
    corner_px[seen] = (face_px[seen] - layout.corner_px[own][:, None]) * layout.scale + layout.origin_px[own][:, None]
    page[seen] = layout.page[own]
    unseen = np.flatnonzero(~seen)
    columns = layout.size_px // CELL_PX
    cell = np.stack([np.arange(len(unseen)) % columns, np.arange(len(unseen)) // columns], 1) * CELL_PX
    triangle = np.array([[0.5, 0.5], [0.5, CELL_PX - 0.5], [CELL_PX - 0.5, 0.5]])
    corner_px[unseen] = cell[:, None] + triangle
    owner = np.full((layout.pages, layout.size_px, layout.size_px), -1, np.int32)
    _assign_cells(owner[0], unseen, columns)
    _assign_faces(owner, corner_px, page, chart)
    for _ in range(GUTTER_PX):
        _dilate(owner)
    return Atlas(owner, corner_px, page, chart)


@njit(cache=True)
def _assign_cells(owner, unseen, columns):  # type: ignore[no-untyped-def]
    for i in range(len(unseen)):
        x, y = (i % columns) * CELL_PX, (i // columns) * CELL_PX
        owner[y : y + CELL_PX, x : x + CELL_PX] = unseen[i]


@njit(cache=True)
def _assign_faces(owner, corner_px, page, chart):  # type: ignore[no-untyped-def]
    size = owner.shape[1]
    for f in range(len(chart)):
        if chart[f] < 0:
            continue
        x0, y0 = corner_px[f, 0]
        x1, y1 = corner_px[f, 1]
        x2, y2 = corner_px[f, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0:
            continue
        for y in range(max(0, math.ceil(min(y0, y1, y2) - 0.5)), min(size, math.floor(max(y0, y1, y2) - 0.5) + 1)):
            for x in range(max(0, math.ceil(min(x0, x1, x2) - 0.5)), min(size, math.floor(max(x0, x1, x2) - 0.5) + 1)):
                b1 = ((x + 0.5 - x0) * (y2 - y0) - (x2 - x0) * (y + 0.5 - y0)) / area
                b2 = ((x1 - x0) * (y + 0.5 - y0) - (x + 0.5 - x0) * (y1 - y0)) / area
                if b1 >= 0 and b2 >= 0 and b1 + b2 <= 1:
                    owner[page[f], y, x] = f


@njit(cache=True)
def _dilate(owner):  # type: ignore[no-untyped-def]
    """Give background texels beside an owned one (of the previous round) the same owner, in place."""
    pages, height, width = owner.shape
    for p in range(pages):
        for y in range(height):
            for x in range(width):
                if owner[p, y, x] != -1:
                    continue
                for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)):
                    v, u = y + dy, x + dx
                    if 0 <= v < height and 0 <= u < width and owner[p, v, u] >= 0:
                        owner[p, y, x] = -2 - owner[p, v, u]
                        break
        for y in range(height):
            for x in range(width):
                if owner[p, y, x] < -1:
                    owner[p, y, x] = -2 - owner[p, y, x]


@njit(cache=True)
def barycentric(corner_px, f, x, y):  # type: ignore[no-untyped-def]
    """Weights of the three corners of face f at the point (x, y) of its page; extrapolates outside."""
    x0, y0 = corner_px[f, 0, 0], corner_px[f, 0, 1]
    x1, y1 = corner_px[f, 1, 0] - x0, corner_px[f, 1, 1] - y0
    x2, y2 = corner_px[f, 2, 0] - x0, corner_px[f, 2, 1] - y0
    area = x1 * y2 - x2 * y1
    if area == 0:
        return 1 / 3, 1 / 3, 1 / 3
    b1 = ((x - x0) * y2 - x2 * (y - y0)) / area
    b2 = (x1 * (y - y0) - (x - x0) * y1) / area
    return 1 - b1 - b2, b1, b2


def chart_rows(atlas: Atlas, chart_count: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Runs of texels that hold each chart, gutter included.

    Returns:
        runs int32 [R, 5] of chart, page, row, first and last + 1 column, sorted by chart, and where each chart's runs
        begin: int64 [chart_count + 1].
    """
    box = _chart_boxes(atlas.corner_px, atlas.chart, chart_count, atlas.owner.shape[1])
    page = np.zeros(chart_count, np.int32)
    page[atlas.chart[atlas.chart >= 0]] = atlas.page[atlas.chart >= 0]
    rows = (box[:, 3] - box[:, 1]).astype(np.int64)
    start = np.concatenate([[0], np.cumsum(rows)])
    chart = np.repeat(np.arange(chart_count), rows)
    y = np.arange(start[-1]) - start[chart] + box[chart, 1]
    return np.stack([chart, page[chart], y, box[chart, 0], box[chart, 2]], 1).astype(np.int32), start


@njit(cache=True)
def _chart_boxes(corner_px, chart, count, size):  # type: ignore[no-untyped-def]
    box = np.zeros((count, 4), np.int64)
    box[:, :2] = size
    for f in range(len(chart)):
        p = chart[f]
        if p < 0:
            continue
        for k in range(3):
            for d in range(2):
                box[p, d] = min(box[p, d], max(0, math.floor(corner_px[f, k, d]) - GUTTER_PX))
                box[p, 2 + d] = max(box[p, 2 + d], min(size, math.ceil(corner_px[f, k, d]) + GUTTER_PX))
    return box


@over_rows
def paint_rows(first, end, runs, pages, atlas, surface, photo, scale):  # type: ignore[no-untyped-def]
    """Paint the runs [R, 5] of the charts of one photograph into uint8 `pages` [P, S, S, 3].

    `scale` is texels per pixel; below 1 a texel is the mean of a grid of samples as dense as the photograph.
    """
    taps = max(1, math.ceil(1 / scale - 1e-6))
    for r in range(first, end):
        c, p, y = runs[r, 0], runs[r, 1], runs[r, 2]
        for x in range(runs[r, 3], runs[r, 4]):
            f = atlas.owner[p, y, x]
            if f < 0 or atlas.chart[f] != c:
                continue
            weights = barycentric(atlas.corner_px, f, x + 0.5, y + 0.5)
            red, green, blue, hit = surface_colour(weights, f, surface, photo, taps, scale)
            if hit:
                pages[p, y, x, 0] = min(255, int(red * photo.gain[0] + 0.5))
                pages[p, y, x, 1] = min(255, int(green * photo.gain[1] + 0.5))
                pages[p, y, x, 2] = min(255, int(blue * photo.gain[2] + 0.5))


@njit(cache=True)
def surface_colour(weights, f, surface, photo, taps, scale):  # type: ignore[no-untyped-def]
    """Colour of a point of face f in a photograph, averaged over 1 / scale pixels; last: whether it is in view.

    `weights` are the point's barycentric ones.
    """
    b0, b1, b2 = weights
    vertices, faces, image = surface.vertices, surface.faces, photo.image
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    u, v, z = project(
        photo.camera,
        b0 * vertices[i, 0] + b1 * vertices[j, 0] + b2 * vertices[k, 0],
        b0 * vertices[i, 1] + b1 * vertices[j, 1] + b2 * vertices[k, 1],
        b0 * vertices[i, 2] + b1 * vertices[j, 2] + b2 * vertices[k, 2],
    )
    if z <= 0:
        return 0.0, 0.0, 0.0, False
    height, width = image.shape[0], image.shape[1]
    red, green, blue = 0.0, 0.0, 0.0
    for m in range(taps):
        py = min(max(v - 0.5 + ((m + 0.5) / taps - 0.5) / scale, 0.0), height - 1.0)
        top = min(int(py), max(height - 2, 0))
        fy = py - top
        below = min(top + 1, height - 1)
        for n in range(taps):
            px = min(max(u - 0.5 + ((n + 0.5) / taps - 0.5) / scale, 0.0), width - 1.0)
            left = min(int(px), max(width - 2, 0))
            fx = px - left
            right = min(left + 1, width - 1)
            w00, w01, w10, w11 = (1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx
            a, b, c, d = image[top, left], image[top, right], image[below, left], image[below, right]
            red += w00 * a[0] + w01 * b[0] + w10 * c[0] + w11 * d[0]
            green += w00 * a[1] + w01 * b[1] + w10 * c[1] + w11 * d[1]
            blue += w00 * a[2] + w01 * b[2] + w10 * c[2] + w11 * d[2]
    count = taps * taps
    return red / count, green / count, blue / count, True
