"""Places charts in square pages by their exact outlines, and finds the largest scale at which all of them fit.

Charts are packed as sets of small square cells, largest first, each into the first free place (bottom-left heuristic),
so small charts settle in the hollows of large ones. Nothing is rotated: a chart keeps the photograph's pixel grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.errors import SettingsError
from e2e3d.ops.numba_jit import njit

CELL_PX = 4
GUTTER_PX = 3
SCALE_STEP = 1.03
SMALLEST_SCALE = 1e-3
USUAL_DENSITY = 0.82
SMALL_CELLS = 16
BLOCK_CELLS = 4
DENSEST = 0.9
PAGE_STEP = 1.08


@dataclass(frozen=True)
class AtlasLayout:
    """Where the charts lie.

    Attributes:
        scale: texels per pixel of the photographs, at most 1.
        page: int32 [C]; `origin_px` int32 [C, 2], x and y (down) of the texel that holds `corner_px` of the chart.
        corner_px: float64 [C, 2], the point of each photograph that falls on the origin texel's corner.
        size_px: side of the square pages; `pages` how many there are.
    """

    scale: float
    page: NDArray[np.int32]
    origin_px: NDArray[np.int32]
    corner_px: NDArray[np.float64]
    size_px: int
    pages: int


@dataclass(frozen=True)
class _Faces:
    """Corners of the faces in their photographs, their charts, and each chart's box (`corner` to `high`, [C, 2])."""

    face_px: NDArray[np.float32]
    chart: NDArray[np.int32]
    corner: NDArray[np.float64]
    high: NDArray[np.float64]


def pack_charts(
    face_px: NDArray[np.float32], chart: NDArray[np.int32], chart_count: int, atlas_size_px: int, max_pages: int
) -> AtlasLayout:
    """Lay charts out at one common scale, the largest (at most 1) at which they fit into `max_pages` pages.

    The first page begins with a grid of cells, row by row, one for each face without a chart.

    Args:
        face_px: float32 [F, 3, 2], corners of each face in its photograph, pixels.
        chart: int32 [F], the chart of each face, -1 = none.
        chart_count: how many charts there are.
        atlas_size_px: largest side of a page.
        max_pages: how many pages may be used; more than one only at the largest size.

    Raises:
        SettingsError: when the charts do not fit at any scale.
    """
    low, high = _boxes(face_px, chart, chart_count)
    corner = np.floor(low)
    faces = _Faces(face_px, chart, corner, high)
    widest = float((high - corner).max(initial=1.0))
    above = min(1.0, (atlas_size_px - 2 * CELL_PX - 2 * GUTTER_PX) / widest)
    scale = min(above, _likely_scale(faces, above, atlas_size_px, max_pages))
    placed = _try(faces, scale, atlas_size_px, max_pages)
    while placed is not None and scale < above:
        scale = min(above, SCALE_STEP * scale)
        larger = _try(faces, scale, atlas_size_px, max_pages)
        if larger is None:
            break
        placed = larger
    while placed is None and scale > SMALLEST_SCALE:
        scale /= SCALE_STEP
        placed = _try(faces, scale, atlas_size_px, max_pages)
    if placed is None:
        raise SettingsError(
            "atlas-too-small",
            f"{chart_count} pieces of texture do not fit into {max_pages} page(s) of {atlas_size_px} texels.",
            "Raise texture.atlas_size_px or texture.max_pages, or ask for fewer faces.",
        )
    scale, page, origin, size = placed
    return AtlasLayout(scale, page, origin, corner, size, int(page.max(initial=0)) + 1)


@njit(cache=True)
def _boxes(face_px, chart, count):  # type: ignore[no-untyped-def]
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    for f in range(len(chart)):
        if chart[f] >= 0:
            for k in range(3):
                for d in range(2):
                    low[chart[f], d] = min(low[chart[f], d], face_px[f, k, d])
                    high[chart[f], d] = max(high[chart[f], d], face_px[f, k, d])
    return low, high


def _likely_scale(faces: _Faces, scale: float, size_px: int, max_pages: int) -> float:
    """The scale at which the charts would cover the usual share of the pages, judged by their cells at `scale`."""
    cells, offsets = _cell_boxes(faces, scale)
    covered = int(_masks(faces.face_px, faces.chart, faces.corner, scale, cells, offsets).sum())
    return float(scale * (USUAL_DENSITY * max_pages * (size_px // CELL_PX) ** 2 / max(1, covered)) ** 0.5)


def _cell_boxes(faces: _Faces, scale: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Width and height [C, 2] of each chart in cells, and where its mask begins [C + 1]."""
    cells = np.maximum(np.ceil(((faces.high - faces.corner) * scale + 2 * GUTTER_PX) / CELL_PX).astype(np.int64), 1)
    return cells, np.concatenate([[0], np.cumsum(cells[:, 0] * cells[:, 1])])


def _try(
    faces: _Faces, scale: float, size_px: int, max_pages: int
) -> tuple[float, NDArray[np.int32], NDArray[np.int32], int] | None:
    """Pack at one scale: (scale, page, origin, side of the pages), or None when it does not fit."""
    cells, offsets = _cell_boxes(faces, scale)
    mask = _masks(faces.face_px, faces.chart, faces.corner, scale, cells, offsets)
    order = np.lexsort((np.arange(len(cells)), -cells.prod(1), -cells.max(1)))
    loose = int((faces.chart < 0).sum())
    total, width = int(mask.sum()) + loose, size_px // CELL_PX
    if total > width * width * max_pages:
        return None
    side = min(width, _whole_blocks(max(int(cells.max(initial=1)), math.ceil((total / DENSEST) ** 0.5))))
    while True:
        ok, page, place = _place(order, cells, offsets, mask, loose, side, 1 if side < width else max_pages)
        if ok:
            return scale, page, (place * CELL_PX + GUTTER_PX).astype(np.int32), side * CELL_PX
        if side == width:
            return None
        side = min(width, _whole_blocks(math.ceil(PAGE_STEP * side)))


def _whole_blocks(cells: int) -> int:
    """Round a side up to whole blocks of the coarsest grid."""
    return -(-cells // BLOCK_CELLS) * BLOCK_CELLS


@njit(cache=True)
def _masks(face_px, chart, corner, scale, cells, offsets):  # type: ignore[no-untyped-def]
    """Cells that each chart touches with its gutter: uint8, rows of w cells, chart p from offsets[p]."""
    mask = np.zeros(offsets[-1], np.uint8)
    for f in range(len(chart)):
        p = chart[f]
        if p < 0:
            continue
        x0, y0, x1, y1 = np.inf, np.inf, -np.inf, -np.inf
        for k in range(3):
            x, y = (face_px[f, k, 0] - corner[p, 0]) * scale, (face_px[f, k, 1] - corner[p, 1]) * scale
            x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
        w, h = cells[p]
        right, below = int((x1 + 2 * GUTTER_PX) // CELL_PX), int((y1 + 2 * GUTTER_PX) // CELL_PX)
        for v in range(int(y0 // CELL_PX), min(below, h - 1) + 1):
            for u in range(int(x0 // CELL_PX), min(right, w - 1) + 1):
                mask[offsets[p] + v * w + u] = 1
    return mask


@njit(cache=True)
def _place(order, cells, offsets, mask, loose, side, max_pages):  # type: ignore[no-untyped-def]
    """Put the charts into the first free place, one after another: whether all fit, page [C] and place [C, 2] in cells.

    `order` has the largest first. Large charts move in steps of several cells over a coarse copy of the grid.
    """
    page, place = np.zeros(len(order), np.int32), np.zeros((len(order), 2), np.int64)
    grid = np.zeros((max_pages, side, side), np.uint8)
    if loose > side * side:
        return False, page, place
    grid[0].reshape(-1)[:loose] = 1
    step = 0
    coarse, free = grid, np.zeros((max_pages, side), np.int64)
    start = np.zeros((SMALL_CELLS + 1, SMALL_CELLS + 1), np.int64)
    for chart in order:
        w, h = cells[chart]
        wanted = BLOCK_CELLS if max(w, h) > 4 * SMALL_CELLS else 2 if max(w, h) > SMALL_CELLS else 1
        if wanted != step:
            step = wanted
            coarse = _coarser(grid, step)
            free = _free_cells(coarse)
        own = mask[offsets[chart] : offsets[chart + 1]].reshape(h, w)
        if step == 1:
            p, x, y = _first_box(grid, w, h, start[h, w])
            start[h, w] = (np.int64(p) * side + y) * side + x
        else:
            p, x, y = _first_fit(coarse, free, _coarser(own.reshape(1, h, w), step)[0])
        if p < 0:
            return False, page, place
        page[chart], place[chart, 0], place[chart, 1] = p, x * step, y * step
        _mark(grid[p], coarse[p], free[p], own, x * step, y * step, step)
    return True, page, place


@njit(cache=True)
def _coarser(grid, step):  # type: ignore[no-untyped-def]
    """Whether anything is set in each block of step x step cells: uint8 [P, ceil(H / step), ceil(W / step)]."""
    pages, height, width = grid.shape
    out = np.zeros((pages, (height + step - 1) // step, (width + step - 1) // step), np.uint8)
    for p in range(pages):
        for y in range(height):
            for x in range(width):
                if grid[p, y, x]:
                    out[p, y // step, x // step] = 1
    return out


@njit(cache=True)
def _free_cells(coarse):  # type: ignore[no-untyped-def]
    free = np.zeros(coarse.shape[:2], np.int64)
    for p in range(coarse.shape[0]):
        for y in range(coarse.shape[1]):
            for x in range(coarse.shape[2]):
                free[p, y] += coarse[p, y, x] == 0
    return free


@njit(cache=True)
def _first_fit(coarse, free, own):  # type: ignore[no-untyped-def]
    """First page, x and y at which the cells set in `own` [h, w] are free; page -1 when there is none."""
    h, w = own.shape
    ys, xs = np.nonzero(own)
    count = len(ys)
    stride = 7919 if count % 7919 else 1  # a prime: probes scattered over the chart find a collision early
    widest, densest = 0, 0
    for v in range(h):
        inside = int(own[v].sum())
        if inside > widest:
            widest, densest = inside, v
    for p in range(coarse.shape[0]):
        for y in range(coarse.shape[1] - h + 1):
            if free[p, y + densest] < widest:
                continue
            for x in range(coarse.shape[2] - w + 1):
                probe = 0
                hit = False
                for _ in range(count):
                    probe = (probe + stride) % count
                    if coarse[p, y + ys[probe], x + xs[probe]]:
                        hit = True
                        break
                if not hit:
                    return p, x, y
    return -1, 0, 0


@njit(cache=True)
def _first_box(grid, w, h, start):  # type: ignore[no-untyped-def]
    """First page, x and y from position `start` on at which a box of w x h cells is free; page -1 without one."""
    pages, side = grid.shape[0], grid.shape[1]
    p, y, x = start // (side * side), start // side % side, start % side
    while p < pages:
        while y + h <= side:
            while x + w <= side:
                jump = 0
                for u in range(w - 1, -1, -1):
                    for v in range(h):
                        if grid[p, y + v, x + u]:
                            jump = u + 1
                            break
                    if jump:
                        break
                if jump == 0:
                    return p, x, y
                x += jump
            x = 0
            y += 1
        y = 0
        p += 1
    return -1, 0, 0


@njit(cache=True)
def _mark(grid, coarse, free, own, x, y, step):  # type: ignore[no-untyped-def]
    """Set the cells of a chart placed at (x, y) on the grid and its coarse copy."""
    for v in range(own.shape[0]):
        for u in range(own.shape[1]):
            if own[v, u]:
                grid[y + v, x + u] = 1
                cy, cx = (y + v) // step, (x + u) // step
                if step > 1 and coarse[cy, cx] == 0:
                    coarse[cy, cx] = 1
                    free[cy] -= 1
