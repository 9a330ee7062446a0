"""Strips of texels along the seams, in which two photographs are blended."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.row_kernels import over_rows
from e2e3d.ops.texturing.atlas import Atlas, barycentric, surface_colour
from e2e3d.ops.texturing.candidates import Candidates

STRIP_PX = 10
DISAGREEMENT = 30.0


class SeamStrip(NamedTuple):
    """Texels near a seam, inside a chart.

    Attributes:
        texel: int64 [T], index into the flattened atlas [P * S * S].
        view: int16 [T], the photograph on the other side of the nearest seam; sorted by it.
        distance: uint8 [T], texels from the seam.
        seam: int32 [T], row of `seams` (see :func:`find_seams`), `side` int8 [T] which side the texel lies on.
        colour: float32 [T, 3], what the other photograph shows there; negative = it does not see the place.
    """

    texel: NDArray[np.int64]
    view: NDArray[np.int16]
    distance: NDArray[np.uint8]
    seam: NDArray[np.int32]
    side: NDArray[np.int8]
    colour: NDArray[np.float32]


@njit(cache=True)
def find_seams(neighbours, slots, chart):  # type: ignore[no-untyped-def]
    """Edges between charts, int32 [E, 4]: face and slot on either side; a face's slot k runs from corner k to k + 1."""
    count = 0
    seams = np.empty((3 * len(chart), 4), np.int32)
    for f in range(len(chart)):
        for k in range(3):
            g = neighbours[f, k]
            if g > f and slots[f, k] >= 0 and chart[f] >= 0 and chart[g] >= 0 and chart[f] != chart[g]:
                seams[count, 0], seams[count, 1], seams[count, 2], seams[count, 3] = f, k, g, slots[f, k]
                count += 1
    return seams[:count].copy()


def seam_strip(atlas: Atlas, seams: NDArray[np.int32], label: NDArray[np.int32], candidates: Candidates) -> SeamStrip:
    """Collect the texels within STRIP_PX of a seam whose face the photograph across the seam sees too."""
    texel, distance, seam, side = _collect(atlas.owner, atlas.corner_px, atlas.page, atlas.chart, seams, STRIP_PX)
    across = label[np.where(side == 0, seams[seam, 2], seams[seam, 0])].astype(np.int16)
    owner = atlas.owner.reshape(-1)[texel]
    keep = np.flatnonzero((candidates.view[owner] == across[:, None]).any(1))
    keep = keep[np.argsort(across[keep], kind="stable")]
    return SeamStrip(
        texel[keep], across[keep], distance[keep], seam[keep], side[keep], np.full((len(keep), 3), -1, np.float32)
    )


@njit(cache=True)
def _collect(owner, corner_px, page, chart, seams, reach):  # type: ignore[no-untyped-def]
    """Breadth-first search from the texels along each side of each seam, inside the chart."""
    size = owner.shape[1]
    visited = np.zeros(owner.shape, np.uint8)
    capacity = 1 << 16
    texel = np.empty(capacity, np.int64)
    distance = np.empty(capacity, np.uint8)
    origin = np.empty(capacity, np.int64)
    count = 0
    for e in range(2 * len(seams)):
        f, k = seams[e // 2, 2 * (e % 2)], seams[e // 2, 2 * (e % 2) + 1]
        ax, ay = corner_px[f, k]
        bx, by = corner_px[f, (k + 1) % 3]
        steps = int(2 * max(abs(bx - ax), abs(by - ay))) + 1
        for i in range(steps + 1):
            x, y = int(ax + (bx - ax) * i / steps), int(ay + (by - ay) * i / steps)
            p = page[f]
            if not (0 <= x < size and 0 <= y < size) or visited[p, y, x]:
                continue
            if owner[p, y, x] < 0 or chart[owner[p, y, x]] != chart[f]:
                continue
            visited[p, y, x] = 1
            if count == capacity:
                capacity *= 2
                texel, distance, origin = _doubled(texel), _doubled(distance), _doubled(origin)
            texel[count], distance[count], origin[count] = (np.int64(p) * size + y) * size + x, 0, e
            count += 1
    head = 0
    while head < count:
        t, d = texel[head], distance[head]
        p, y, x = t // (size * size), t // size % size, t % size
        e = origin[head]
        head += 1
        if d + 1 >= reach:
            continue
        c = chart[owner[p, y, x]]
        for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0)):
            v, u = y + dy, x + dx
            if not (0 <= v < size and 0 <= u < size) or visited[p, v, u]:
                continue
            if owner[p, v, u] < 0 or chart[owner[p, v, u]] != c:
                continue
            visited[p, v, u] = 1
            if count == capacity:
                capacity *= 2
                texel, distance, origin = _doubled(texel), _doubled(distance), _doubled(origin)
            texel[count], distance[count], origin[count] = (p * size + v) * size + u, d + 1, e
            count += 1
    seam = (origin[:count] // 2).astype(np.int32)
    return texel[:count], distance[:count], seam, (origin[:count] % 2).astype(np.int8)


@njit(cache=True)
def _doubled(values):  # type: ignore[no-untyped-def]
    doubled = np.empty(2 * len(values), values.dtype)
    doubled[: len(values)] = values
    return doubled


@over_rows
def paint_strip(first, end, texel, colour, atlas, surface, photo, scale):  # type: ignore[no-untyped-def]
    """Sample texels int64 [T] of a strip in the photograph across their seam, into `colour` float32 [T, 3]."""
    size = atlas.owner.shape[1]
    taps = max(1, math.ceil(1 / scale - 1e-6))
    for i in range(first, end):
        p, y, x = texel[i] // (size * size), texel[i] // size % size, texel[i] % size
        f = atlas.owner[p, y, x]
        weights = barycentric(atlas.corner_px, f, x + 0.5, y + 0.5)
        red, green, blue, hit = surface_colour(weights, f, surface, photo, taps, scale)
        if hit:
            gain = photo.gain
            colour[i, 0], colour[i, 1], colour[i, 2] = red * gain[0], green * gain[1], blue * gain[2]


def fade_strip(
    pages: NDArray[np.uint8], strip: SeamStrip, seams: NDArray[np.int32], corner_node: NDArray[np.int32],
    offset: NDArray[np.float32],
) -> None:  # fmt: skip
    """Fade the strip into the photograph across the seam, in place: half and half at the seam, nothing at its end.

    Where the two disagree after levelling, the fade gives way to a cut, so that nothing appears twice.

    Args:
        pages: uint8 [P, S, S, 3], already levelled.
        strip: painted by :func:`paint_strip`.
        seams: int32 [E, 4] of :func:`find_seams`.
        corner_node: int32 [F, 3], the node of each face corner.
        offset: float32 [N, 3] of :func:`~e2e3d.ops.texturing.levelling.level_seams`.
    """
    _fade(strip, pages.reshape(-1, 3), seams, corner_node, offset)


@over_rows
def _fade(first, end, strip, pages, seams, corner_node, offset):  # type: ignore[no-untyped-def]
    texel, colour = strip.texel, strip.colour
    for i in range(first, end):
        if colour[i, 0] < 0:
            continue
        e, other = strip.seam[i], 2 - 2 * strip.side[i]
        g, j = seams[e, other], seams[e, other + 1]
        a, b = corner_node[g, j], corner_node[g, (j + 1) % 3]
        weight = 0.5 * (1 - (strip.distance[i] + 0.5) / STRIP_PX)
        worst = 0.0
        for c in range(3):
            levelled = colour[i, c] + 0.5 * (offset[a, c] + offset[b, c])
            worst = max(worst, abs(levelled - pages[texel[i], c]))
        weight *= math.exp(-((worst / DISAGREEMENT) ** 2))
        for c in range(3):
            levelled = colour[i, c] + 0.5 * (offset[a, c] + offset[b, c])
            value = (1 - weight) * pages[texel[i], c] + weight * levelled
            pages[texel[i], c] = int(min(max(value, 0.0), 255.0) + 0.5)
