"""An octree of points in which every point is in one node, coarse nodes holding evenly thinned ones.

All of it is runs of points sorted by Morton code: nodes and the cells that thin them are prefixes of that code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BITS = 21  # of an axis, in a code of 64 bits
CELL_BITS = 7  # a node keeps one point for each of 128 x 128 x 128 cells
LEAF_POINTS = 20_000  # as few are not split any more


@dataclass(frozen=True, eq=False)
class OctreeNode:
    """A node with points.

    Attributes:
        level: 0 = the whole cube; `x`, `y`, `z` count the cubes of that level.
        points: int64 [N], indices of its points.
    """

    level: int
    x: int
    y: int
    z: int
    points: NDArray[np.int64]


def octree_nodes(cells: NDArray[np.int64], side_bits: int) -> Iterator[OctreeNode]:
    """Nodes by level, and within a level in Morton order; a node's ancestors have points, too.

    Args:
        cells: int64 [N, 3], coordinates.
        side_bits: coordinates go from 0 to 2 ** `side_bits` - 1.
    """
    shift = side_bits - BITS
    codes = _morton(cells >> shift if shift > 0 else cells << -shift)
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    rest = np.arange(len(codes))
    level = 0
    while len(rest):
        taken = _taken(codes[rest], level)
        chosen = rest[taken]
        nodes = codes[chosen] >> np.uint64(3 * (BITS - level))
        starts = _run_starts(nodes)
        for start, end in zip(starts, [*starts[1:], len(chosen)], strict=True):
            x, y, z = _axes(int(nodes[start]), level)
            yield OctreeNode(level, x, y, z, order[chosen[start:end]])
        rest = rest[~taken]
        level += 1


def _taken(codes: NDArray[np.uint64], level: int) -> NDArray[np.bool_]:
    """Which of the points that are left belong to nodes of this level: one a cell, or all of a small node."""
    if level >= BITS - CELL_BITS:
        return np.ones(len(codes), bool)
    nodes = codes >> np.uint64(3 * (BITS - level))
    starts = _run_starts(nodes)
    counts = np.diff([*starts, len(codes)])
    taken = np.repeat(counts <= LEAF_POINTS, counts)
    cells = _run_starts(codes >> np.uint64(3 * (BITS - CELL_BITS - level)))
    taken[(cells + np.append(cells[1:], len(codes))) // 2] = True  # the middle of a run, no corner of its cell
    return taken


def _run_starts(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1])


_SPREAD = (
    (32, 0x001F00000000FFFF),
    (16, 0x001F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)
"""Shifts that move the bits of a number apart, so that two places are free beside each, and the places after each."""


def _morton(cells: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Bits of x, y and z interleaved, those of x lowest: uint64 [N] of int64 [N, 3] below 2 ** 21."""
    code = np.zeros(len(cells), np.uint64)
    for axis in range(3):
        spread = cells[:, axis].astype(np.uint64)
        for shift, mask in _SPREAD:
            spread = (spread | (spread << np.uint64(shift))) & np.uint64(mask)
        code |= spread << np.uint64(axis)
    return code


def _axes(code: int, level: int) -> tuple[int, int, int]:
    """Coordinates of the node whose code this is."""
    x, y, z = (sum(((code >> (3 * bit + axis)) & 1) << bit for bit in range(level)) for axis in range(3))
    return x, y, z
