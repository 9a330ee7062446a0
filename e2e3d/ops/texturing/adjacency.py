"""Which faces of a mesh share an edge, and connected parts of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit


class Edge(NamedTuple):
    """The edge of a face in one of its three slots, and the neighbour's slot that holds the same edge."""

    face: int
    slot: int
    neighbour: int
    opposite: int


def face_adjacency(faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Neighbours int32 [F, 3] of faces [F, 3] across the edge from corner k to corner k + 1; -1 without one.

    An edge of more than two faces joins the first two only.
    """
    a, b = faces.astype(np.int64).ravel(), np.roll(faces, -1, 1).astype(np.int64).ravel()
    key = np.minimum(a, b) << 32 | np.maximum(a, b)
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.r_[True, key[1:] != key[:-1]]
    start = np.flatnonzero(first)
    start = start[np.diff(np.r_[start, len(key)]) >= 2]
    half, other = order[start], order[start + 1]
    neighbours = np.full(3 * len(faces), -1, np.int32)
    neighbours[half] = other // 3
    neighbours[other] = half // 3
    return neighbours.reshape(-1, 3)


@njit(cache=True)
def opposite_slots(neighbours: NDArray[np.int32], faces: NDArray[np.int32]) -> NDArray[np.int8]:
    """Slot int8 [F, 3] of each shared edge in the neighbour's own row; -1 without a neighbour."""
    slots = np.full(neighbours.shape, -1, np.int8)
    for f in range(len(neighbours)):
        for k in range(3):
            g = neighbours[f, k]
            if g < 0:
                continue
            a, b = faces[f, k], faces[f, (k + 1) % 3]
            for j in range(3):
                c, d = faces[g, j], faces[g, (j + 1) % 3]
                if neighbours[g, j] == f and ((a == c and b == d) or (a == d and b == c)):
                    slots[f, k] = j
    return slots


@njit(cache=True)
def connected_parts(neighbours: NDArray[np.int32], label: NDArray[np.int32]) -> tuple[NDArray[np.int32], int]:
    """Number the connected sets of faces of one label: part int32 [F] (-1 where the label is), and how many."""
    part = np.full(len(label), -1, np.int32)
    stack = np.empty(len(label), np.int32)
    count = 0
    for seed in range(len(label)):
        if part[seed] >= 0 or label[seed] < 0:
            continue
        part[seed] = count
        stack[0] = seed
        top = 1
        while top > 0:
            top -= 1
            f = stack[top]
            for k in range(3):
                g = neighbours[f, k]
                if g >= 0 and part[g] < 0 and label[g] == label[seed]:
                    part[g] = count
                    stack[top] = g
                    top += 1
        count += 1
    return part, count
