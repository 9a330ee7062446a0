from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e3d.data.features import MatchBlock
from e2e3d.ops.matching.overlapping_pairs import linked_pairs, overlapping_pairs
from e2e3d.ops.matching.pair_selection import components, exhaustive_pairs

EVERY_40 = np.array(sorted(exhaustive_pairs(40)), np.int32)


def shared_on_a_ring(count: int) -> np.ndarray:
    """Neighbours up to the third share eleven to three features, all others none."""
    steps = EVERY_40[:, 1] - EVERY_40[:, 0]
    return np.maximum(15 - 4 * np.minimum(steps, count - steps), 0).astype(np.int32)


def test_pairs_with_enough_in_common_are_chosen_and_few_others() -> None:
    shared = shared_on_a_ring(40)
    chosen = overlapping_pairs(EVERY_40, shared, 40, 3)
    enough = set(map(tuple, EVERY_40[shared >= 3].tolist()))
    assert len(enough) == 120
    assert chosen == enough  # every photograph has six partners by then


def test_a_photograph_that_shares_nothing_is_matched_with_the_nearest_ones() -> None:
    shared = shared_on_a_ring(40)
    shared[(EVERY_40 == 7).any(axis=1)] = 0
    chosen = overlapping_pairs(EVERY_40, shared, 40, 3)
    partners = {sum(pair) - 7 for pair in chosen if 7 in pair}
    assert {6, 8} <= partners
    assert 6 <= len(partners) <= 9


def test_two_groups_that_share_nothing_are_connected() -> None:
    shared = np.where((EVERY_40[:, 0] < 20) == (EVERY_40[:, 1] < 20), 30, 0).astype(np.int32)
    chosen = overlapping_pairs(EVERY_40, shared, 40, 3)
    assert components(chosen, 40).max() == 0
    assert sum(first < 20 <= second for first, second in chosen) == 1


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 40), st.integers(0, 10**6))
def test_what_the_candidates_connect_stays_connected_in_any_order(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    every = np.array(sorted(exhaustive_pairs(count)), np.int32)
    pairs = every[random.random(len(every)) < 0.2]
    shared = random.integers(0, 6, len(pairs)).astype(np.int32)
    chosen = overlapping_pairs(pairs, shared, count, 4)
    assert chosen <= set(map(tuple, pairs.tolist()))
    np.testing.assert_array_equal(components(chosen, count), components(set(map(tuple, pairs.tolist())), count))
    mixed = random.permutation(len(pairs))
    assert overlapping_pairs(pairs[mixed], shared[mixed], count, 4) == chosen


def block_of(pairs: list[tuple[int, int]], matches: list[list[tuple[int, int]]]) -> MatchBlock:
    return MatchBlock(
        np.array(pairs, np.int32).reshape(-1, 2),
        np.cumsum([0, *map(len, matches)]),
        np.array([match for one in matches for match in one], np.uint32).reshape(-1, 2),
        np.zeros(len(pairs), np.int32),
        np.zeros(len(pairs), np.int32),
        np.zeros((len(pairs), 3, 3, 3)),
        np.zeros(len(pairs) + 1, np.int64),
        np.zeros((0, 2), np.uint32),
    )


def test_photographs_that_match_the_same_keypoints_of_others_are_linked() -> None:
    same = [(i, i) for i in range(6)]
    elsewhere = [(i, i + 50) for i in range(9)]
    # 0 and 2 match keypoints 0 to 5 of photograph 1; 3 matches others of it
    blocks = [block_of([(0, 1), (1, 2)], [same, same]), block_of([(1, 3)], [[(b, a) for a, b in elsewhere]])]
    assert linked_pairs(blocks, 5, 6) == {(0, 2)}
    assert linked_pairs(blocks, 5, 7) == set()


def test_keypoints_of_several_photographs_count_together() -> None:
    three, others = [(i, i) for i in range(3)], [(i, i) for i in range(10, 13)]
    blocks = [block_of([(0, 1), (0, 2), (1, 3), (2, 3)], [three, others, three, others])]
    assert linked_pairs(blocks, 4, 6) == {(0, 3)}


def test_pairs_that_were_matched_in_vain_are_not_linked_again() -> None:
    same = [(i, i) for i in range(20)]
    blocks = [block_of([(0, 1), (0, 2), (1, 2)], [same, [], same])]
    assert linked_pairs(blocks, 3, 6) == set()
    assert linked_pairs([], 3, 6) == set()
