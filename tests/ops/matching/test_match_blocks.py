import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e3d.data.features import MatchBlock
from e2e3d.ops.matching.match_blocks import merge_blocks, plan_blocks


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 40), st.integers(0, 10**6))
def test_blocks_hold_every_pair_once_and_are_bounded(count: int, seed: int) -> None:
    everything = np.array([(i, j) for i in range(count) for j in range(i + 1, count)], np.int32)
    random = np.random.default_rng(seed)
    pairs = random.permutation(everything)[: random.integers(1, len(everything) + 1)]
    blocks = plan_blocks(pairs, count)
    assert sorted(map(tuple, np.concatenate(blocks).tolist())) == sorted(map(tuple, pairs.tolist()))
    assert max(map(len, blocks)) <= 9


def test_a_block_touches_few_photographs() -> None:
    pairs = np.array([(i, j) for i in range(60) for j in range(i + 1, 60)], np.int32)
    distinct = [len(np.unique(block)) for block in plan_blocks(pairs, 60)]
    assert max(distinct) <= 9  # of eighteen in a block of nine pairs


def test_few_pairs_still_make_blocks_for_many_cores() -> None:
    pairs = np.array([(i, j) for i in range(11) for j in range(i + 1, 11)], np.int32)
    blocks = plan_blocks(pairs, 11)
    assert 12 <= len(blocks) <= 20
    assert sum(map(len, blocks)) == 55


def test_no_pairs_no_blocks() -> None:
    assert plan_blocks(np.zeros((0, 2), np.int32), 5) == []


def some_block(pairs: list[tuple[int, int]], matches: list[list[tuple[int, int]]], geometry: float) -> MatchBlock:
    return MatchBlock(
        np.array(pairs, np.int32).reshape(-1, 2),
        np.cumsum([0, *map(len, matches)]),
        np.array([match for one in matches for match in one], np.uint32).reshape(-1, 2),
        np.array([10 * len(one) for one in matches], np.int32),
        np.full(len(pairs), int(geometry), np.int32),
        np.full((len(pairs), 3, 3, 3), geometry),
        np.zeros(len(pairs) + 1, np.int64),
        np.zeros((0, 2), np.uint32),
    )


def test_merged_blocks_hold_every_pair_once_with_all_its_matches() -> None:
    first = some_block([(0, 2), (0, 1)], [[(5, 6)], [(1, 1), (2, 3)]], 2)
    second = some_block([(0, 2), (1, 2)], [[(7, 7), (8, 9)], []], 3)
    merged = merge_blocks([first, second])
    assert merged.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert merged.offsets.tolist() == [0, 2, 5, 5]
    assert merged.matches.tolist() == [[1, 1], [2, 3], [5, 6], [7, 7], [8, 9]]
    assert merged.candidates.tolist() == [20, 30, 0]
    assert merged.configurations.tolist() == [2, 3, 3]  # of the most matches
    assert merged.matrices[:, 0, 0, 0].tolist() == [2, 3, 3]
    assert merged.matches.dtype == np.uint32
    assert merge_blocks([]).pairs.shape == (0, 2)
