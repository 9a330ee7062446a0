"""Which pairs are matched again."""

import numpy as np

from e2e3d.data.features import MatchBlock
from e2e3d.ops.matching.learned_pairs import candidates_of, closing_pairs, confirmed, likely_pairs


def block(matched: dict[tuple[int, int], int], candidates: int = 0) -> MatchBlock:
    """Pairs with so many verified matches, and so many before."""
    counts = list(matched.values())
    return MatchBlock(
        np.array(list(matched), np.int32).reshape(-1, 2),
        np.cumsum([0, *counts]),
        np.zeros((sum(counts), 2), np.uint32),
        np.full(len(matched), candidates, np.int32),
        np.full(len(matched), 2, np.int32),
        np.zeros((len(matched), 3, 3, 3)),
        np.zeros(len(matched) + 1, np.int64),
        np.zeros((0, 2), np.uint32),
    )


def test_candidates_share_unverified_matches_or_are_near_in_order() -> None:
    blocks = [block({(0, 5): 0}, 40), block({(1, 5): 0, (5, 9): 0}, 7)]
    assert candidates_of([5], 10, blocks, 3) == {5: [0, 1, 9]}
    assert candidates_of([5], 10, blocks, 5) == {5: [0, 1, 4, 6, 9]}
    assert candidates_of([0, 5], 10, blocks, 1) == {0: [5], 5: [0]}
    assert candidates_of([2], 3, [], 100) == {2: [0, 1]}


def test_the_most_alike_are_matched_once() -> None:
    counts = {1: np.array([4, 9, 0]), 2: np.array([0, 9, 3])}
    pairs = likely_pairs({1: [0, 2, 3], 2: [0, 1, 3]}, counts, 2)
    np.testing.assert_array_equal(pairs, [[0, 1], [1, 2], [2, 3]])
    assert likely_pairs({1: [0]}, {1: np.array([0])}, 8).shape == (0, 2)


def test_partners_of_one_photograph_are_matched_with_each_other() -> None:
    found = block({(0, 4): 50, (1, 4): 0, (2, 4): 30, (3, 4): 40, (0, 2): 20})
    np.testing.assert_array_equal(closing_pairs([4], [found]), [[0, 3], [2, 3]])
    many = block({(i, 9): 30 + i for i in range(9)})
    assert set(closing_pairs([9], [many]).ravel().tolist()) == {4, 5, 6, 7, 8}
    assert closing_pairs([4], []).shape == (0, 2)


def matched_block(matches: dict[tuple[int, int], np.ndarray]) -> MatchBlock:
    counts = [len(one) for one in matches.values()]
    return MatchBlock(
        np.array(list(matches), np.int32),
        np.cumsum([0, *counts]),
        np.concatenate(list(matches.values())).astype(np.uint32),
        np.array(counts, np.int32),
        np.arange(len(matches), dtype=np.int32),
        np.arange(len(matches) * 27.0).reshape(-1, 3, 3, 3),
        np.zeros(len(matches) + 1, np.int64),
        np.zeros((0, 2), np.uint32),
    )


def test_pairs_count_that_a_third_photograph_confirms() -> None:
    points = np.arange(40)
    true = np.stack([points, points], axis=1)
    wrong = np.stack([points, (points + 7) % 40], axis=1)  # another side that looks alike
    few = true[:7]
    block = matched_block({(0, 1): true, (0, 2): true, (0, 3): wrong, (1, 2): true, (1, 3): true, (2, 4): true})
    kept = confirmed(block)
    assert kept.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert kept.offsets.tolist() == [0, 40, 80, 120]
    np.testing.assert_array_equal(kept.matches, np.concatenate([true] * 3))
    np.testing.assert_array_equal(kept.configurations, [0, 1, 3])
    np.testing.assert_array_equal(kept.matrices, block.matrices[[0, 1, 3]])
    assert len(confirmed(matched_block({(0, 1): true, (0, 2): few, (1, 2): true})).pairs) == 0
    assert len(confirmed(matched_block({(0, 1): true})).matches) == 0
