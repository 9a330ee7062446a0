import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e3d.ops.match_blocks import plan_blocks


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
