"""Cuts the graph of matched photographs into parts of about equal size that hold together and overlap.

As scenes are divided for mapping by Chen et al., "Graph-based parallel large scale structure from motion" (Pattern
Recognition, 2020): cut where photographs share least, then let neighbouring parts share some. Cuts are those of Shi and
Malik, "Normalized Cuts and Image Segmentation" (PAMI 2000), at the place that makes parts of equal size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, diags_array, eye_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh

_SHARED_PHOTOS = 6
"""That a part takes from each of its neighbours: with as many from the other side, twelve cameras tie two parts."""
_FEWEST = 3  # photographs of a part
_SHIFT = -1e-3  # below all eigenvalues, which are 0 and more

_Indices = NDArray[np.int64]


def plan_parts(
    pairs: NDArray[np.int32], counts: NDArray[np.int64], photos: int, part_photos: int
) -> list[NDArray[np.int32]]:
    """Overlapping parts of a set.

    Args:
        pairs: int32 [P, 2], matched photographs, each pair once.
        counts: int64 [P], verified matches of each pair, more than 0.
        photos: how many photographs there are.
        part_photos: about how many a part has before it takes from its neighbours.

    Returns:
        ascending indices of the photographs of each part; those that nothing matches are in none.
    """
    graph = _symmetric(pairs, counts, photos)
    labels = connected_components(graph, directed=False)[1]
    cores: list[_Indices] = []
    for label in range(labels.max(initial=-1) + 1):
        members = np.flatnonzero(labels == label)
        if len(members) >= _FEWEST:
            cores += _cut(graph, members, max(1, round(len(members) / part_photos)))
    return [np.asarray(part, np.int32) for part in _overlapping(graph, cores)]


def _symmetric(pairs: NDArray[np.int32], counts: NDArray[np.int64], photos: int) -> csr_array:
    first, second = pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
    rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
    return coo_array((np.tile(counts.astype(np.float64), 2), (rows, columns)), shape=(photos, photos)).tocsr()


def _cut(graph: csr_array, members: _Indices, parts: int) -> list[_Indices]:
    """Connected `members` cut into so many connected parts of about equal size."""
    if parts < 2 or len(members) < 2 * _FEWEST:
        return [members]
    some = parts // 2
    order = members[np.argsort(_fiedler_vector(graph[members][:, members]), kind="stable")]
    at = round(len(members) * some / parts)
    one, other = _connected(graph, np.sort(order[:at]), np.sort(order[at:]))
    if min(len(one), len(other)) < _FEWEST:
        return [members]
    return _cut(graph, one, some) + _cut(graph, other, parts - some)


def _fiedler_vector(graph: csr_array) -> NDArray[np.float64]:
    """The second generalised eigenvector of the Laplacian: it orders photographs along the longest way through them."""
    scale = diags_array(1 / np.sqrt(graph.sum(axis=1)))
    laplacian = eye_array(graph.shape[0]) - scale @ graph @ scale
    start = np.random.default_rng(0).normal(size=graph.shape[0])
    values, vectors = eigsh(laplacian.tocsc(), k=2, sigma=_SHIFT, which="LM", v0=start)
    vector: NDArray[np.float64] = scale @ vectors[:, np.argmax(values)]
    vector *= np.sign(vector[np.argmax(np.abs(vector))])
    return vector


def _connected(graph: csr_array, one: _Indices, other: _Indices) -> tuple[_Indices, _Indices]:
    """The two sides of a cut, where what a side loses its connection to goes over to the other one."""
    one, loose = _largest(graph, one)
    other, back = _largest(graph, np.sort(np.concatenate([other, loose])))
    return np.sort(np.concatenate([one, back])), other


def _largest(graph: csr_array, members: _Indices) -> tuple[_Indices, _Indices]:
    """The largest connected group of `members`, and the rest of them."""
    labels = connected_components(graph[members][:, members], directed=False)[1]
    most = labels == np.argmax(np.bincount(labels))
    return members[most], members[~most]


def _overlapping(graph: csr_array, cores: Sequence[_Indices]) -> list[_Indices]:
    """The parts with what they take from their neighbours: of each the photographs with most matches on this side."""
    part_of = np.full(graph.shape[0], -1)
    for number, core in enumerate(cores):
        part_of[core] = number
    grown = []
    for core in cores:
        ties = np.asarray(graph[core].sum(axis=0)).ravel()
        ties[core] = 0
        neighbours = np.unique(part_of[ties > 0])
        taken = [core]
        for neighbour in neighbours[neighbours >= 0].tolist():
            candidates = cores[neighbour][ties[cores[neighbour]] > 0]
            taken.append(candidates[np.argsort(-ties[candidates], kind="stable")[:_SHARED_PHOTOS]])
        grown.append(np.unique(np.concatenate(taken)))
    return grown
