"""Which photographs to match with which: all of them, neighbours in time or on the ground, or look-alikes.

Every function returns a set of index pairs (first < second). `connect` adds the most similar pairs across the gaps,
so that matching can find one connected model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

Pairs = set[tuple[int, int]]


def exhaustive_pairs(count: int) -> Pairs:
    """Every pair of `count` photographs."""
    return {(i, j) for i in range(count) for j in range(i + 1, count)}


def sequence_pairs(count: int, window: int) -> Pairs:
    """Each photograph with its next `window`, and with those a power of two further on, up to sixteen windows."""
    steps = set(range(1, window + 1))
    step = 1
    while step <= 16 * window:
        if step > window:
            steps.add(step)
        step *= 2
    return {(i, i + s) for i in range(count) for s in steps if i + s < count}


def nearest_pairs(positions_m: NDArray[np.float64], indices: NDArray[np.int64], neighbours: int) -> Pairs:
    """Each photograph with the `neighbours` nearest ones on the ground.

    Args:
        positions_m: float64 [N, D], metres.
        indices: int64 [N], which photographs stand there.
        neighbours: how many neighbours each one gets.
    """
    if len(indices) < 2:
        return set()
    _, found = cKDTree(positions_m).query(positions_m, k=min(neighbours + 1, len(indices)))
    pairs = ((int(indices[i]), int(indices[j])) for i, row in enumerate(found) for j in row)
    return {(min(p), max(p)) for p in pairs if p[0] != p[1]}


def similar_pairs(vectors: NDArray[np.floating], neighbours: int, min_gap: int = 1) -> Pairs:
    """Each photograph with the `neighbours` most similar ones that are at least `min_gap` places away.

    Args:
        vectors: float [N, D], unit length or zero; computed in blocks of rows.
        neighbours: how many neighbours each one gets.
        min_gap: smallest difference of index, to look for loops in a sequence.
    """
    count = len(vectors)
    pairs: Pairs = set()
    everything = np.arange(count)
    for start in range(0, count, 256):
        rows = everything[start : start + 256]
        scores = _similarity(vectors, rows)
        scores[np.abs(rows[:, None] - everything[None]) < min_gap] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :neighbours]
        for i, found in zip(rows.tolist(), order, strict=True):
            kept = found[np.isfinite(scores[i - start, found])]
            pairs.update((min(i, j), max(i, j)) for j in kept.tolist())
    return pairs


def connect(pairs: Pairs, vectors: NDArray[np.floating]) -> Pairs:
    """The pairs to add so that all photographs hang together: the most similar one out of every component.

    Borůvka's algorithm: each round links every component to another, so few rounds are needed.
    """
    count = len(vectors)
    added: Pairs = set()
    while True:
        labels = components(pairs | added, count)
        if labels.max(initial=0) == 0:
            return added
        largest = np.bincount(labels).argmax()
        for label in range(labels.max() + 1):
            if label != largest:
                added.add(_best_link(vectors, labels, label))


def components(pairs: Pairs, count: int) -> NDArray[np.int32]:
    """Label of the connected component of each of `count` photographs."""
    edges = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)


def _best_link(vectors: NDArray[np.floating], labels: NDArray[np.int32], label: int) -> tuple[int, int]:
    best = (-np.inf, 0, 0)
    inside = np.flatnonzero(labels == label)
    for start in range(0, len(inside), 256):
        rows = inside[start : start + 256]
        scores = _similarity(vectors, rows)
        scores[:, inside] = -np.inf
        i, j = np.unravel_index(scores.argmax(), scores.shape)
        best = max(best, (float(scores[i, j]), int(rows[i]), int(j)))
    return min(best[1:]), max(best[1:])


def _similarity(vectors: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Scalar products of some rows with all, float32 [R, N]; the half-precision vectors widen block by block."""
    left = vectors[rows].astype(np.float32)
    blocks = range(0, len(vectors), 1024)
    return np.concatenate([left @ vectors[b : b + 1024].astype(np.float32).T for b in blocks], axis=1)
