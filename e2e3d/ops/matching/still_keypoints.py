"""The part of each photograph that stands still while the subject turns, where hardly anything else was matched.

A sharp background takes nearly all keypoints and all matches, and the few matches of the subject between them verify
nothing. Copies of one photograph look the same to matches, but their keypoints return everywhere; before a fixed
background the keypoints of the subject lie together and never return in the same place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from e2e3d.data.agreement import StillRegions
from e2e3d.data.features import MatchBlock
from e2e3d.data.ref import Ref
from e2e3d.ops.matching.match_blocks import matches_of
from e2e3d.ops.matching.match_graph import MatchGraph
from e2e3d.ops.matching.still_matches import MovingBlocks, find_still, stands_still

_CELLS = 40  # along the longer side
_MOST = 0.5
_FROZEN = 0.8  # of the matches of a pair that stands still
_RETURNS = 0.2  # of the other photographs: a keypoint that returns in as many stands still
_STILL_CELL, _CHANGED_CELL = 0.4, 0.15  # share of still keypoints, over that of the whole photograph
_EXPECTED = 5.0  # still keypoints in a cell and its neighbours, if all places were alike: fewer are no evidence
_LINKED = 30  # moving matches join two photographs
_CHANGED = 0.02  # of the cells: the subject of half of the photographs covers more


def find_still_regions(
    keypoints_px: Sequence[NDArray[np.float32]], sizes_px: Sequence[tuple[int, int]], blocks: Sequence[Ref[MatchBlock]]
) -> StillRegions:
    """Where the photographs stand still; nowhere unless little else was matched, while something before it changes.

    Args:
        keypoints_px: float32 [N, >= 2] of each photograph.
        sizes_px: width and height of each photograph.
        blocks: verified matches.
    """
    pairs = _StillPairs(keypoints_px, sizes_px)
    still = find_still(keypoints_px, sizes_px, (ref.load() for ref in blocks))
    for block in MovingBlocks(blocks, still, 0):
        pairs.add(block)
    masks, changed = [], []
    for i, (keypoints, size) in enumerate(zip(keypoints_px, sizes_px, strict=True)):
        returning = pairs.returns[i] >= max(2.0, _RETURNS * pairs.partners[i])
        share = _relative_still_share(keypoints, size, returning)
        masks.append(_filled(share) > _STILL_CELL)
        changed.append(float((share < _CHANGED_CELL).mean()))
    if pairs.moving_graph().reachable(_LINKED) > _MOST * len(masks) or np.median(changed or [0.0]) < _CHANGED:
        masks = [np.zeros_like(mask) for mask in masks]
    return StillRegions(pairs.frozen / max(pairs.matched, 1), tuple(masks))


class _StillPairs:
    """Collects the evidence of the pairs, one block after another.

    Attributes:
        matched: pairs with matches; `frozen` those of them that stand still.
        returns: int64 [N] for each photograph, in how many pairs a keypoint stands still.
        partners: int64 [photographs], still pairs of each.
    """

    def __init__(self, keypoints_px: Sequence[NDArray[np.float32]], sizes_px: Sequence[tuple[int, int]]) -> None:
        self._keypoints_px, self._sizes_px = keypoints_px, sizes_px
        self.returns = [np.zeros(len(keypoints), np.int64) for keypoints in keypoints_px]
        self.partners = np.zeros(len(keypoints_px), np.int64)
        self.matched = self.frozen = 0
        self._moving: list[tuple[int, int, int]] = []

    def add(self, block: MatchBlock) -> None:
        """Take in the pairs of one more block."""
        for p, (first, second) in enumerate(block.pairs.tolist()):
            matches = matches_of(block, p)
            if len(matches) == 0:
                continue
            self.matched += 1
            still = matches[self._stand_still(first, second, matches)]
            self._moving.append((first, second, len(matches) - len(still)))
            if len(still) > _FROZEN * len(matches):
                self.frozen += 1
                self.partners[[first, second]] += 1
                self.returns[first][still[:, 0]] += 1
                self.returns[second][still[:, 1]] += 1

    def moving_graph(self) -> MatchGraph:
        """Which photographs are joined by matches that move."""
        moving = np.array(self._moving, np.int64).reshape(-1, 3)
        moving = moving[moving[:, 2] >= _LINKED]
        return MatchGraph(moving[:, :2].astype(np.int32), moving[:, 2])

    def _stand_still(self, first: int, second: int, matches: NDArray[np.uint32]) -> NDArray[np.bool_]:
        if self._sizes_px[first] != self._sizes_px[second]:
            return np.zeros(len(matches), np.bool_)
        x1 = self._keypoints_px[first][matches[:, 0], :2]
        x2 = self._keypoints_px[second][matches[:, 1], :2]
        return stands_still(x1, x2, max(self._sizes_px[first]))


def _relative_still_share(
    keypoints_px: NDArray[np.float32], size_px: tuple[int, int], still: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The share of still ones among the keypoints in and around each cell, over that of all; NaN where they are few."""
    cell_px = max(size_px) / _CELLS
    columns, rows = (max(1, round(side / cell_px)) for side in size_px)
    column, row = np.minimum(keypoints_px[:, :2] / size_px * (columns, rows), (columns - 1, rows - 1)).astype(int).T
    every, ours = np.zeros((rows, columns)), np.zeros((rows, columns))
    np.add.at(every, (row, column), 1)
    np.add.at(ours, (row, column), still)
    around, still_around = (ndimage.convolve(counts, np.ones((3, 3)), mode="constant") for counts in (every, ours))
    expected = around * (still.sum() / max(len(still), 1))
    return np.where(expected >= _EXPECTED, still_around / np.maximum(expected, 1), np.nan)


def _filled(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cells without keypoints take the value of the nearest one that has some; 0 where none has."""
    unknown = np.isnan(share)
    if unknown.all():
        return np.zeros_like(share)
    nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    filled: NDArray[np.float64] = share[tuple(nearest)]
    return filled
