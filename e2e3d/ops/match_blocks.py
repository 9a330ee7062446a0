"""Cut a list of pairs into blocks that touch few distinct photographs each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TILE_PHOTOS = 3
_MOST_PAIRS, _FEWEST_PAIRS = 9, 3  # in a block
_BLOCKS = 12  # wanted at least, so that no core waits long for the last one


def plan_blocks(pairs: NDArray[np.int32], photos_count: int) -> list[NDArray[np.int32]]:
    """Tile the pair matrix, so that a block of nine pairs loads about six photographs; blocks of few pairs are smaller.

    Args:
        pairs: int32 [P, 2] of indices below `photos_count`.
        photos_count: how many photographs there are.

    Returns:
        int32 [p, 2] blocks; together they hold every pair once.
    """
    if len(pairs) == 0:
        return []
    assert pairs.shape[1:] == (2,)
    assert 0 <= pairs.min() <= pairs.max() < photos_count
    size = min(max(len(pairs) // _BLOCKS, _FEWEST_PAIRS), _MOST_PAIRS)
    tiles = pairs // TILE_PHOTOS
    diagonal = tiles[:, 0] == tiles[:, 1]  # these tiles hold fewer pairs: among the others they would shift the cuts
    ordered = np.lexsort((pairs[:, 1], pairs[:, 0], tiles[:, 1], tiles[:, 0]))
    groups = (pairs[ordered[diagonal[ordered]]], pairs[ordered[~diagonal[ordered]]])
    return [g[start : start + size] for g in groups for start in range(0, len(g), size)]
