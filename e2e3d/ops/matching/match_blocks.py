"""Cut a list of pairs into blocks that touch few distinct photographs each, and put blocks of matches together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.features import MatchBlock

_FEWEST_PAIRS = 3  # in a block
_BLOCKS = 12  # wanted at least, so that no core waits long for the last one


def plan_blocks(pairs: NDArray[np.int32], photos_count: int, tile_photos: int = 3) -> list[NDArray[np.int32]]:
    """Tile the pair matrix, so that a block of nine pairs loads about six photographs; blocks of few pairs are smaller.

    Args:
        pairs: int32 [P, 2] of indices below `photos_count`.
        photos_count: how many photographs there are.
        tile_photos: along either side of a tile; a block has at most its square of pairs.

    Returns:
        int32 [p, 2] blocks; together they hold every pair once.
    """
    if len(pairs) == 0:
        return []
    assert pairs.shape[1:] == (2,)
    assert 0 <= pairs.min() <= pairs.max() < photos_count
    size = min(max(len(pairs) // _BLOCKS, _FEWEST_PAIRS), tile_photos**2)
    tiles = pairs // tile_photos
    diagonal = tiles[:, 0] == tiles[:, 1]  # these tiles hold fewer pairs: among the others they would shift the cuts
    ordered = np.lexsort((pairs[:, 1], pairs[:, 0], tiles[:, 1], tiles[:, 0]))
    groups = (pairs[ordered[diagonal[ordered]]], pairs[ordered[~diagonal[ordered]]])
    return [g[start : start + size] for g in groups for start in range(0, len(g), size)]


def merge_blocks(blocks: Sequence[MatchBlock]) -> MatchBlock:
    """All matches in one block, sorted by pair: a pair that comes more than once has the matches of each.

    Its geometry is that of the most matches.
    """
    found: dict[tuple[int, int], list[tuple[MatchBlock, int]]] = {}
    for block in blocks:
        for p, (first, second) in enumerate(block.pairs.tolist()):
            found.setdefault((first, second), []).append((block, p))
    pairs = sorted(found)
    matches = [[matches_of(*one) for one in found[pair]] for pair in pairs]
    still = [[still_of(*one) for one in found[pair]] for pair in pairs]
    best = [max(found[pair], key=lambda one: len(matches_of(*one))) for pair in pairs]
    offsets, all_matches = join_matches([np.concatenate(parts) for parts in matches])
    still_offsets, all_still = join_matches([np.concatenate(parts) for parts in still])
    return MatchBlock(
        pairs=np.array(pairs, np.int32).reshape(-1, 2),
        offsets=offsets,
        matches=all_matches,
        candidates=np.array([sum(block.candidates[p] for block, p in found[pair]) for pair in pairs], np.int32),
        configurations=np.array([block.configurations[p] for block, p in best], np.int32),
        matrices=np.array([block.matrices[p] for block, p in best], np.float64).reshape(-1, 3, 3, 3),
        still_offsets=still_offsets,
        still=all_still,
    )


def select_pairs(block: MatchBlock, chosen: NDArray[np.bool_]) -> MatchBlock:
    """Only the pairs that are `chosen`, bool [P]."""
    kept = np.flatnonzero(chosen).tolist()
    offsets, matches = join_matches([matches_of(block, p) for p in kept])
    still_offsets, still = join_matches([still_of(block, p) for p in kept])
    return MatchBlock(
        pairs=block.pairs[chosen],
        offsets=offsets,
        matches=matches,
        candidates=block.candidates[chosen],
        configurations=block.configurations[chosen],
        matrices=block.matrices[chosen],
        still_offsets=still_offsets,
        still=still,
    )


def matches_of(block: MatchBlock, p: int) -> NDArray[np.uint32]:
    """The verified matches of the pair at `p`, uint32 [M, 2]."""
    return block.matches[block.offsets[p] : block.offsets[p + 1]]


def still_of(block: MatchBlock, p: int) -> NDArray[np.uint32]:
    """The matches of the pair at `p` that stand still and contradict the verified ones, uint32 [S, 2]."""
    return block.still[block.still_offsets[p] : block.still_offsets[p + 1]]


def join_matches(matches: Sequence[NDArray[np.uint32]]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Offsets, int64 [P + 1], and the matches of all pairs, uint32 [M, 2]."""
    offsets = np.concatenate([[0], np.cumsum([len(of_pair) for of_pair in matches])]).astype(np.int64)
    return offsets, np.concatenate([np.zeros((0, 2), np.uint32), *matches])
