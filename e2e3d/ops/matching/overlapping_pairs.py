"""Which pairs to match of those that were compared by few features, and then of those that others link.

Comparing by the largest features is the preemptive matching of Wu, "Towards linear-time incremental structure from
motion", 3DV 2013, section 3. It misses many of the pairs with few matches. These are found as in COLMAP's transitive
matching: photographs that match the same keypoints of a third see the same points. Here such keypoints are counted, so
that two photographs which match different parts of a third are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, triu
from scipy.sparse.csgraph import minimum_spanning_tree

from e2e3d.data.features import MatchBlock
from e2e3d.ops.matching.pair_selection import Pairs

_ALWAYS = 6
"""Partners that every photograph is matched with, however little it seems to have in common with them."""


def overlapping_pairs(pairs: NDArray[np.int32], shared: NDArray[np.int32], count: int, min_shared: int) -> Pairs:
    """Pairs that have something in common, and the best ones of every photograph and every group of photographs.

    Args:
        pairs: int32 [P, 2] of indices below `count`, each once, first < second.
        shared: int32 [P], what each pair has in common.
        count: how many photographs there are.
        min_shared: enough to be matched.

    Returns:
        A subset of `pairs` that connects what they connect.
    """
    order = np.lexsort((pairs[:, 1], pairs[:, 0], pairs[:, 1] - pairs[:, 0], -shared))
    ranked = pairs[order]
    chosen = np.concatenate([pairs[shared >= min_shared], _best_of_each(ranked, count), _forest(ranked, count)])
    return set(map(tuple, chosen.tolist()))


def _best_of_each(ranked: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """The first few pairs of every photograph, of pairs in order."""
    taken = np.zeros(count, np.int64)
    kept = []
    for first, second in ranked.tolist():
        if min(taken[first], taken[second]) < _ALWAYS:
            kept.append((first, second))
            taken[[first, second]] += 1
    return np.array(kept, np.int32).reshape(-1, 2)


def _forest(ranked: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """The first pairs, of pairs in order, that connect what all of them connect (Kruskal's algorithm)."""
    places = np.arange(1.0, len(ranked) + 1)
    tree = minimum_spanning_tree(coo_array((places, (ranked[:, 0], ranked[:, 1])), shape=(count, count)).tocsr())
    chosen: NDArray[np.int32] = ranked[np.sort(tree.data.astype(np.int64)) - 1]
    return chosen


def linked_pairs(blocks: Iterable[MatchBlock], count: int, min_linked: int) -> Pairs:
    """Pairs that were not matched yet, and match the same keypoints of others at least `min_linked` times.

    Args:
        blocks: the matches of `count` photographs; they hold the pairs without matches too.
        count: how many photographs there are.
        min_linked: enough to be matched.
    """
    matched: Pairs = set()
    photos, others, keypoints = [], [], []
    for block in blocks:
        matched.update(map(tuple, block.pairs.tolist()))
        both = np.repeat(block.pairs, np.diff(block.offsets), axis=0)
        photos += [both[:, 0], both[:, 1]]
        others += [both[:, 1], both[:, 0]]
        keypoints += [block.matches[:, 1], block.matches[:, 0]]
    if not photos:
        return set()
    column = np.concatenate(keypoints).astype(np.int64)
    column += np.concatenate(others) * (column.max(initial=0) + 1)
    column = np.unique(column, return_inverse=True)[1]
    seen = coo_array((np.ones(len(column), np.int32), (np.concatenate(photos), column))).tocsr()
    linked = triu(seen @ seen.T, 1).tocoo()
    enough = linked.data >= min_linked
    return set(zip(linked.row[enough].tolist(), linked.col[enough].tolist(), strict=True)) - matched
