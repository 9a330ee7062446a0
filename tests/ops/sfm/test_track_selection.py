"""Which tracks fix the cameras: long ones, everywhere, never one that passes a photograph twice."""

import numpy as np

from e2e3d.data.features import MatchBlock
from e2e3d.ops.sfm.track_selection import choose_tracks, on_chosen_tracks


def match_block(matches: dict[tuple[int, int], list[tuple[int, int]]]) -> MatchBlock:
    counts = [len(m) for m in matches.values()]
    return MatchBlock(
        pairs=np.array(list(matches), np.int32).reshape(-1, 2),
        offsets=np.cumsum([0, *counts]),
        matches=np.concatenate([np.array(m, np.uint32).reshape(-1, 2) for m in matches.values()]),
        candidates=np.array(counts, np.int32),
        configurations=np.full(len(counts), 2, np.int32),
        matrices=np.zeros((len(counts), 3, 3, 3)),
        still_offsets=np.zeros(len(counts) + 1, np.int64),
        still=np.zeros((0, 2), np.uint32),
    )


def chain(photos: int, track: int) -> dict[tuple[int, int], list[tuple[int, int]]]:
    return {(i, i + 1): [(track, track)] for i in range(photos - 1)}


def anywhere(photos: int, keypoints: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).uniform(0, 800, (photos, keypoints, 2)).astype(np.float32))


def test_the_longest_of_a_cell_is_chosen_in_every_photograph_it_passes() -> None:
    keypoints = [np.full((3, 2), 10, np.float32)] * 4  # one cell
    blocks = [match_block(chain(4, 0)), match_block(chain(2, 1))]
    chosen = choose_tracks(keypoints, blocks, 1)
    assert [c.tolist() for c in chosen] == [[True, False, False]] * 4


def test_matches_of_all_blocks_make_one_track() -> None:
    keypoints = anywhere(3, 2)
    split = [match_block({(0, 1): [(0, 1)]}), match_block({(1, 2): [(1, 0)]})]
    assert [c.tolist() for c in choose_tracks(keypoints, split)] == [[True, False], [False, True], [True, False]]


def test_a_track_that_passes_a_photograph_twice_is_not_chosen() -> None:
    keypoints = anywhere(2, 3)
    chosen = choose_tracks(keypoints, [match_block({(0, 1): [(0, 0), (0, 1), (2, 2)]})])
    assert [c.tolist() for c in chosen] == [[False, False, True]] * 2


def test_the_whole_photograph_is_covered_before_a_corner_is_filled() -> None:
    random = np.random.default_rng(3)
    crowd = random.uniform(0, 50, (300, 2))
    spread = np.stack(np.meshgrid(np.arange(8), np.arange(8)), -1).reshape(-1, 2)[1:] * 100.0 + 50
    keypoints = np.concatenate([crowd, spread, [[0, 0], [800, 800]]]).astype(np.float32)
    same = [(i, i) for i in range(len(keypoints))]
    longer = [(i, i) for i in range(300)]
    block = match_block({(0, 1): same, (1, 2): longer})
    chosen = choose_tracks([keypoints] * 3, [block], 100)
    assert chosen[0][300:363].all()  # the only one of its cell, though shorter
    assert 30 < chosen[0][:300].sum() < 110  # the rest, as each photograph chooses for itself


def test_pairs_keep_what_is_chosen_or_all_of_it_if_that_is_little() -> None:
    many, few = [(i, i) for i in range(600)], [(i, i) for i in range(150)]
    block = match_block({(0, 1): many, (1, 2): few, (0, 2): []})
    chosen = [np.arange(600) % 2 == 0] * 3
    kept = on_chosen_tracks(block, chosen)
    assert np.diff(kept.offsets).tolist() == [300, 150, 0]
    assert (kept.matches[:300] % 2 == 0).all()
    np.testing.assert_array_equal(kept.pairs, block.pairs)
    np.testing.assert_array_equal(kept.matrices, block.matrices)


def test_no_matches_and_no_keypoints_choose_nothing() -> None:
    empty = np.zeros((0, 2), np.float32)
    chosen = choose_tracks([*anywhere(2, 5), empty], [match_block({(0, 1): []})])
    assert [c.tolist() for c in chosen] == [[False] * 5, [False] * 5, []]
    assert [len(c) for c in choose_tracks([empty] * 3, [])] == [0, 0, 0]
