"""Colour for faces that no photograph sees, and for the background of the atlas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.texturing.atlas import Atlas, barycentric
from e2e3d.ops.texturing.packing import CELL_PX

DIFFUSION_SWEEPS = 60


def diffuse_colours(
    faces: NDArray[np.int32], fallback: NDArray[np.uint8], known: NDArray[np.float32], unseen: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Vertex colours float32 [V, 3] for unseen faces: known ones kept, the others spread from them over the mesh.

    Args:
        faces: int32 [F, 3].
        fallback: uint8 [V, 3], the colours of parts of the mesh without any known vertex.
        known: float32 [V, 3], negative = unknown.
        unseen: bool [F], the faces to spread over.
    """
    a, b = faces[unseen].ravel(), np.roll(faces[unseen], -1, 1).ravel()
    first, second = np.concatenate([a, b]), np.concatenate([b, a])
    order = np.argsort(first, kind="stable")
    start = np.searchsorted(first[order], np.arange(len(known) + 1))
    colours = known.astype(np.float32)
    _spread(colours, known[:, 0] >= 0, start, second[order], fallback, DIFFUSION_SWEEPS)
    return colours


@njit(cache=True)
def _spread(colours, fixed, start, neighbour, fallback, sweeps):  # type: ignore[no-untyped-def]  # noqa: C901
    """Breadth-first from the fixed vertices, then Gauss-Seidel sweeps in that order and back, in place."""
    count = len(colours)
    queue = np.empty(count, np.int64)
    tail = 0
    for v in range(count):
        if fixed[v] and start[v + 1] > start[v]:
            queue[tail] = v
            tail += 1
    head = 0
    while head < tail:
        v = queue[head]
        head += 1
        for e in range(start[v], start[v + 1]):
            w = neighbour[e]
            if colours[w, 0] < 0:
                colours[w] = colours[v]
                queue[tail] = w
                tail += 1
    for sweep in range(sweeps):
        for step in range(tail):
            v = queue[step if sweep % 2 == 0 else tail - 1 - step]
            if fixed[v]:
                continue
            for c in range(3):
                total = np.float32(0)
                for e in range(start[v], start[v + 1]):
                    total += colours[neighbour[e], c]
                colours[v, c] = total / (start[v + 1] - start[v])
    for v in range(count):
        if colours[v, 0] < 0:
            for c in range(3):
                colours[v, c] = fallback[v, c]


@njit(cache=True)
def face_colour_means(vertex_count, faces, colour):  # type: ignore[no-untyped-def]
    """Mean float32 [V, 3] of the colours [F, 3] of the faces at each vertex, negative ones left out; -1 without any."""
    total = np.zeros((vertex_count, 3), np.float32)
    weight = np.zeros(vertex_count, np.float32)
    for f in range(len(faces)):
        if colour[f, 0] >= 0:
            for k in range(3):
                weight[faces[f, k]] += 1
                for c in range(3):
                    total[faces[f, k], c] += colour[f, c]
    for v in range(vertex_count):
        for c in range(3):
            total[v, c] = total[v, c] / weight[v] if weight[v] > 0 else -1
    return total


def paint_unseen(
    pages: NDArray[np.uint8], atlas: Atlas, faces: NDArray[np.int32], colours: NDArray[np.float32]
) -> None:
    """Paint the cells of the faces without a chart with their vertex colours [V, 3], in place."""
    unlabelled = np.flatnonzero(atlas.chart < 0)
    _paint_cells(pages[0], unlabelled, atlas.corner_px, faces, colours)


@njit(cache=True)
def _paint_cells(page, unlabelled, corner_px, faces, colours):  # type: ignore[no-untyped-def]
    for f in unlabelled:
        x0, y0 = int(corner_px[f, 0, 0]), int(corner_px[f, 0, 1])
        for y in range(y0, y0 + CELL_PX):
            for x in range(x0, x0 + CELL_PX):
                b0, b1, b2 = barycentric(corner_px, f, x + 0.5, y + 0.5)
                for c in range(3):
                    value = b0 * colours[faces[f, 0], c] + b1 * colours[faces[f, 1], c] + b2 * colours[faces[f, 2], c]
                    page[y, x, c] = int(min(max(value, 0.0), 255.0) + 0.5)


def fill_background(page: NDArray[np.uint8], owned: NDArray[np.bool_]) -> None:
    """Fill the texels that nothing owns from their surroundings, in place, so that mipmaps stay free of background.

    Pull-push (Gortler et al., "The Lumigraph", SIGGRAPH 1996): means of the owned texels over growing blocks.
    """
    if min(page.shape[:2]) < 2 or owned.all():
        return
    coarse, known = _pull(page, owned)
    fill_background(coarse, known)
    _push(page, owned, coarse)


@njit(cache=True)
def _pull(page, owned):  # type: ignore[no-untyped-def]
    height, width = (page.shape[0] + 1) // 2, (page.shape[1] + 1) // 2
    coarse = np.zeros((height, width, 3), np.uint8)
    known = np.zeros((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            red, green, blue, count = 0, 0, 0, 0
            for v in range(2 * y, min(2 * y + 2, page.shape[0])):
                for u in range(2 * x, min(2 * x + 2, page.shape[1])):
                    if owned[v, u]:
                        red, green, blue = red + page[v, u, 0], green + page[v, u, 1], blue + page[v, u, 2]
                        count += 1
            if count > 0:
                coarse[y, x, 0], coarse[y, x, 1], coarse[y, x, 2] = red // count, green // count, blue // count
                known[y, x] = True
    return coarse, known


@njit(cache=True)
def _push(page, owned, coarse):  # type: ignore[no-untyped-def]
    for y in range(page.shape[0]):
        for x in range(page.shape[1]):
            if not owned[y, x]:
                for c in range(3):
                    page[y, x, c] = coarse[y // 2, x // 2, c]
