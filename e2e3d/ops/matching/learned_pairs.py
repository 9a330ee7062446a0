"""Which pairs to match again when photographs could not be joined; every choice is deterministic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.features import MatchBlock
from e2e3d.ops.matching.match_blocks import matches_of, select_pairs

Pairs = NDArray[np.int32]
_CONFIRMING_MATCHES = 8  # a wrong match leads to the same keypoint by chance once in a thousand times
_PARTNERS = 5  # that are matched among each other, of those that a photograph matched with


def candidates_of(hard: Sequence[int], count: int, blocks: Iterable[MatchBlock], limit: int) -> dict[int, list[int]]:
    """With which others to compare each hard photograph: those that share the most unverified matches first.

    Args:
        hard: the photographs that could not be joined.
        count: how many photographs there are.
        blocks: of SIFT's matches; pairs that were not matched, and equal ones, go by their distance in the order.
        limit: at most so many for each.
    """
    shared = {i: np.zeros(count, np.int64) for i in hard}
    for block in blocks:
        for (first, second), matches in zip(block.pairs.tolist(), block.candidates.tolist(), strict=True):
            for one, other in ((first, second), (second, first)):
                if one in shared:
                    shared[one][other] += matches
    order = np.arange(count)
    chosen = {}
    for i in hard:
        best = np.lexsort((order, np.abs(order - i), -shared[i]))
        chosen[i] = sorted(best[best != i][:limit].tolist())
    return chosen


def likely_pairs(candidates: Mapping[int, Sequence[int]], counts: Mapping[int, NDArray[np.int32]], limit: int) -> Pairs:
    """Each photograph with the `limit` of its candidates that share the most with it (`counts`, in their order)."""
    pairs = set()
    for i, others in candidates.items():
        for j in np.argsort(-counts[i], kind="stable")[:limit].tolist():
            if counts[i][j] > 0:
                pairs.add((min(i, others[j]), max(i, others[j])))
    return _array(pairs)


def closing_pairs(hard: Iterable[int], blocks: Sequence[MatchBlock]) -> Pairs:
    """Pairs among the photographs that the same hard one matched with, best first, where they are not matched yet.

    A photograph is placed by points that others have seen twice: matches with it alone make none.
    """
    matched: dict[tuple[int, int], int] = {}
    for block in blocks:
        for (first, second), count in zip(block.pairs.tolist(), np.diff(block.offsets).tolist(), strict=True):
            matched[first, second] = count
    pairs: set[tuple[int, int]] = set()
    for i in hard:
        partners = sorted((-n, sum(pair) - i) for pair, n in matched.items() if i in pair and n > 0)
        best = sorted(other for _, other in partners[:_PARTNERS])
        pairs.update((a, b) for k, a in enumerate(best) for b in best[k + 1 :])
    return _array(pairs - matched.keys())


def confirmed(block: MatchBlock) -> MatchBlock:
    """Only the pairs that a third photograph confirms: matches of all three pairs lead from one keypoint to the same.

    A network takes what looks alike for the same, so that two sides of a building match, and with two photographs alone
    nothing contradicts it. Besides, what only two photographs see places neither in a model.

    Args:
        block: every pair once, every keypoint at most once in a pair.
    """
    matches = {
        (first, second): matches_of(block, p).astype(np.int64)
        for p, (first, second) in enumerate(block.pairs.tolist())
        if block.offsets[p] < block.offsets[p + 1]
    }
    kept: set[tuple[int, int]] = set()
    for (a, b), ab in matches.items():
        for c in sorted(c for first, c in matches if first == b and (a, c) in matches):
            if _consistent(ab, matches[b, c], matches[a, c]) >= _CONFIRMING_MATCHES:
                kept |= {(a, b), (b, c), (a, c)}
    chosen = np.array([tuple(pair) in kept for pair in block.pairs.tolist()], bool)
    return select_pairs(block, chosen)


def _consistent(ab: NDArray[np.int64], bc: NDArray[np.int64], ac: NDArray[np.int64]) -> int:
    """How many matches of a and b lead on to the keypoint of c that a is matched with."""
    size = int(max(ab.max(), bc.max(), ac.max())) + 1
    from_a, from_b = np.full(size, -1), np.full(size, -1)
    from_a[ac[:, 0]], from_b[bc[:, 0]] = ac[:, 1], bc[:, 1]
    direct, around = from_a[ab[:, 0]], from_b[ab[:, 1]]
    return int(((direct == around) & (direct >= 0)).sum())


def _array(pairs: Iterable[tuple[int, int]]) -> Pairs:
    return np.array(sorted(pairs), np.int32).reshape(-1, 2)
