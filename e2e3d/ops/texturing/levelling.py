"""Global seam levelling: a smooth offset on every chart after which the two sides of every seam agree.

Lempitsky and Ivanov, "Seamless Mosaicing of Image-Based Texture Maps", CVPR 2007, as in Waechter et al.: one unknown
per vertex and chart; differences are measured along whole edges rather than at vertices, so texture and small errors of
the registration average out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.row_kernels import over_rows
from e2e3d.ops.texturing.atlas import Atlas, barycentric

SMOOTHNESS = 0.1
ANCHOR = 1e-4
MAX_DIFFERENCE = 80.0
TOLERANCE = 1e-3
MAX_ITERATIONS = 400


def chart_nodes(faces: NDArray[np.int32], chart: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    """Number the pairs of vertex and chart: int32 [F, 3] per face corner, and how many there are."""
    key = (chart.astype(np.int64)[:, None] + 1) * (int(faces.max(initial=0)) + 1) + faces
    unique, node = np.unique(key.ravel(), return_inverse=True)
    return node.reshape(-1, 3).astype(np.int32), len(unique)


def level_seams(
    atlas: Atlas, pages: NDArray[np.uint8], seams: NDArray[np.int32], corner_node: NDArray[np.int32], node_count: int
) -> NDArray[np.float32]:
    """Offsets float32 [N, 3], in grey levels, to add at every node (see :func:`chart_nodes`).

    Args:
        atlas: where the faces are.
        pages: uint8 [P, S, S, 3], painted.
        seams: int32 [E, 4] of :func:`~e2e3d.ops.texturing.seams.find_seams`.
        corner_node: int32 [F, 3] of :func:`chart_nodes`.
        node_count: how many nodes there are.
    """
    from scipy.sparse import coo_array

    offset = np.zeros((node_count, 3), np.float32)
    if len(seams) == 0:
        return offset
    f, k, g, j = seams.T
    # The neighbour runs along the shared edge the other way.
    near = np.concatenate([corner_node[f, k], corner_node[f, (k + 1) % 3]])
    far = np.concatenate([corner_node[g, (j + 1) % 3], corner_node[g, j]])
    difference = np.zeros((len(seams), 2, 3), np.float32)
    _edge_differences(seams, pages, atlas.corner_px, atlas.page, difference)
    wanted = np.clip(np.concatenate([difference[:, 0], difference[:, 1]]), -MAX_DIFFERENCE, MAX_DIFFERENCE)
    inner = corner_node[atlas.chart >= 0]
    a, b = inner.ravel(), np.roll(inner, -1, 1).ravel()
    rows, columns = np.concatenate([near, a]), np.concatenate([far, b])
    weight = np.concatenate([np.ones(len(near)), np.full(len(a), SMOOTHNESS)])
    off = coo_array(
        (np.r_[weight, weight].astype(np.float32), (np.r_[rows, columns], np.r_[columns, rows])), (node_count,) * 2
    ).tocsr()
    diagonal = np.asarray(off.sum(1), np.float32) + np.float32(ANCHOR)
    right = np.empty((node_count, 3), np.float32)
    for c in range(3):
        right[:, c] = np.bincount(near, wanted[:, c], node_count) - np.bincount(far, wanted[:, c], node_count)
    _solve(off.indptr, off.indices, off.data, diagonal, right, offset, TOLERANCE, MAX_ITERATIONS)
    return offset


@njit(cache=True)
def _solve(start, column, weight, diagonal, right, x, tolerance, max_iterations):  # type: ignore[no-untyped-def]  # noqa: C901
    """Conjugate gradients, preconditioned by the diagonal, for all channels of x float32 [N, 3] at once, in place.

    The system is diag(diagonal) - W with W in CSR form; x begins at zero.
    """
    count = len(right)
    residual, direction, image = right.copy(), np.empty_like(right), np.empty_like(right)
    rho, curvature, step, turn = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
    for i in range(count):
        for c in range(3):
            direction[i, c] = residual[i, c] / diagonal[i]
            rho[c] += residual[i, c] * direction[i, c]
    goal = tolerance**2 * max(rho[0], rho[1], rho[2])
    for _ in range(max_iterations):
        if max(rho[0], rho[1], rho[2]) <= goal:
            break
        for c in range(3):
            curvature[c] = 0
        for i in range(count):
            a, b, d = diagonal[i] * direction[i, 0], diagonal[i] * direction[i, 1], diagonal[i] * direction[i, 2]
            for e in range(start[i], start[i + 1]):
                j, w = column[e], weight[e]
                a, b, d = a - w * direction[j, 0], b - w * direction[j, 1], d - w * direction[j, 2]
            image[i, 0], image[i, 1], image[i, 2] = a, b, d
            curvature[0] += a * direction[i, 0]
            curvature[1] += b * direction[i, 1]
            curvature[2] += d * direction[i, 2]
        for c in range(3):
            step[c], turn[c], rho[c] = rho[c] / max(curvature[c], 1e-30), max(rho[c], 1e-30), 0
        for i in range(count):
            for c in range(3):
                x[i, c] += step[c] * direction[i, c]
                residual[i, c] -= step[c] * image[i, c]
                rho[c] += residual[i, c] * residual[i, c] / diagonal[i]
        for c in range(3):
            turn[c] = rho[c] / turn[c]
        for i in range(count):
            for c in range(3):
                direction[i, c] = residual[i, c] / diagonal[i] + turn[c] * direction[i, c]


@over_rows
def _edge_differences(first, end, seams, pages, corner_px, page, out):  # type: ignore[no-untyped-def]
    """What the second side shows more than the first, near the start and the end of each seam: float32 [E, 2, 3]."""
    for e in range(first, end):
        f, k, g, j = seams[e, 0], seams[e, 1], seams[e, 2], seams[e, 3]
        fa, fb = corner_px[f, k], corner_px[f, (k + 1) % 3]
        ga, gb = corner_px[g, (j + 1) % 3], corner_px[g, j]
        length = max(abs(fb[0] - fa[0]), abs(fb[1] - fa[1]), abs(gb[0] - ga[0]), abs(gb[1] - ga[1]))
        steps = min(64, max(3, int(length)))
        start, finish = 0.0, 0.0
        for i in range(steps):
            t = (i + 0.5) / steps
            for c in range(3):
                near = _bilinear(pages, page[f], fa[0] + t * (fb[0] - fa[0]), fa[1] + t * (fb[1] - fa[1]), c)
                far = _bilinear(pages, page[g], ga[0] + t * (gb[0] - ga[0]), ga[1] + t * (gb[1] - ga[1]), c)
                out[e, 0, c] += (1 - t) * (far - near)
                out[e, 1, c] += t * (far - near)
            start += 1 - t
            finish += t
        for c in range(3):
            out[e, 0, c] /= start
            out[e, 1, c] /= finish


@njit(cache=True)
def _bilinear(pages, p, x, y, c):  # type: ignore[no-untyped-def]
    size = pages.shape[1]
    px, py = min(max(x - 0.5, 0.0), size - 1.001), min(max(y - 0.5, 0.0), size - 1.001)
    left, top = int(px), int(py)
    fx, fy = px - left, py - top
    upper = (1 - fx) * pages[p, top, left, c] + fx * pages[p, top, left + 1, c]
    lower = (1 - fx) * pages[p, top + 1, left, c] + fx * pages[p, top + 1, left + 1, c]
    return (1 - fy) * upper + fy * lower


def add_offsets(
    pages: NDArray[np.uint8], atlas: Atlas, corner_node: NDArray[np.int32], offset: NDArray[np.float32]
) -> None:
    """Add the offsets [N, 3], interpolated over each face, to the texels of all charts, in place."""
    size = pages.shape[1]
    rows = pages.reshape(-1, size, 3), atlas.owner.reshape(-1, size)
    _add_offsets(*rows, atlas.corner_px, atlas.chart, corner_node, offset)


@over_rows
def _add_offsets(first, end, pages, owner, corner_px, chart, corner_node, offset):  # type: ignore[no-untyped-def]
    """The same for the rows of all pages, one below another."""
    size = owner.shape[1]
    for row in range(first, end):
        for x in range(size):
            f = owner[row, x]
            if f < 0 or chart[f] < 0:
                continue
            b0, b1, b2 = barycentric(corner_px, f, x + 0.5, row % size + 0.5)
            b0, b1, b2 = max(b0, 0.0), max(b1, 0.0), max(b2, 0.0)
            total = b0 + b1 + b2
            i, j, k = corner_node[f, 0], corner_node[f, 1], corner_node[f, 2]
            for c in range(3):
                step = (b0 * offset[i, c] + b1 * offset[j, c] + b2 * offset[k, c]) / total
                pages[row, x, c] = int(min(max(pages[row, x, c] + step, 0.0), 255.0) + 0.5)
