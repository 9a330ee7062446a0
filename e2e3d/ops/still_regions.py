"""The part of each photograph that stands still while the subject turns, where hardly anything else was matched.

A sharp background takes nearly all keypoints and all matches, and the few matches of the subject between them verify
nothing. Copies of one photograph look the same to matches, but their keypoints return everywhere; before a fixed
background the keypoints of the subject lie together and never return in the same place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from e2e3d.data.agreement import StillRegions
from e2e3d.data.features import MatchBlock
from e2e3d.ops.still_matches import stands_still

_CELLS = 40  # along the longer side
_MOST = 0.5
_RETURNS = 0.2  # of the other photographs: a keypoint that returns in as many stands still
_STILL_CELL, _CHANGED_CELL = 0.4, 0.1  # share of still keypoints
_CELL_KEYPOINTS = 5  # in a cell and its neighbours: fewer tell nothing
_CHANGED = 0.01  # of the cells: the subject of half of the photographs covers more


def find_still_regions(
    keypoints_px: Sequence[NDArray[np.float32]], sizes_px: Sequence[tuple[int, int]], blocks: Iterable[MatchBlock]
) -> StillRegions:
    """Where the photographs stand still; nowhere unless most pairs do, while something before it changes.

    Args:
        keypoints_px: float32 [N, >= 2] of each photograph.
        sizes_px: width and height of each photograph.
        blocks: verified matches.
    """
    returns, partners, matched, frozen = _count_returns(keypoints_px, sizes_px, blocks)
    masks, changed = [], []
    for keypoints, size, count, others in zip(keypoints_px, sizes_px, returns, partners.tolist(), strict=True):
        share = _still_share(keypoints, size, count >= max(2.0, _RETURNS * others))
        masks.append(_filled(share) > _STILL_CELL)
        changed.append(float((share < _CHANGED_CELL).mean()))
    still_share = frozen / max(matched, 1)
    if still_share < _MOST or float(np.median(changed or [0.0])) < _CHANGED:
        masks = [np.zeros_like(mask) for mask in masks]
    return StillRegions(still_share, tuple(masks))


def _count_returns(
    keypoints_px: Sequence[NDArray[np.float32]], sizes_px: Sequence[tuple[int, int]], blocks: Iterable[MatchBlock]
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64], int, int]:
    """In how many pairs each keypoint stands still, still pairs of each photograph, pairs with matches, still ones."""
    returns = [np.zeros(len(keypoints), np.int64) for keypoints in keypoints_px]
    partners = np.zeros(len(keypoints_px), np.int64)
    matched = frozen = 0
    for block in blocks:
        for p, (first, second) in enumerate(block.pairs.tolist()):
            verified = block.matches[block.offsets[p] : block.offsets[p + 1]]
            if len(verified) == 0:
                continue
            matched += 1
            if sizes_px[first] != sizes_px[second]:
                continue
            x1, x2 = keypoints_px[first][verified[:, 0], :2], keypoints_px[second][verified[:, 1], :2]
            still = verified[stands_still(x1, x2, max(sizes_px[first]))]
            still = np.concatenate([still, block.still[block.still_offsets[p] : block.still_offsets[p + 1]]])
            if len(still) <= _MOST * len(verified):
                continue
            frozen += 1
            partners[[first, second]] += 1
            returns[first][still[:, 0]] += 1
            returns[second][still[:, 1]] += 1
    return returns, partners, matched, frozen


def _still_share(
    keypoints_px: NDArray[np.float32], size_px: tuple[int, int], still: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The share of still ones among the keypoints in and around each cell, NaN where there are too few."""
    cell_px = max(size_px) / _CELLS
    columns, rows = (max(1, round(side / cell_px)) for side in size_px)
    column, row = np.minimum(keypoints_px[:, :2] / size_px * (columns, rows), (columns - 1, rows - 1)).astype(int).T
    every, ours = np.zeros((rows, columns)), np.zeros((rows, columns))
    np.add.at(every, (row, column), 1)
    np.add.at(ours, (row, column), still)
    around, still_around = (ndimage.convolve(counts, np.ones((3, 3)), mode="constant") for counts in (every, ours))
    return np.where(around >= _CELL_KEYPOINTS, still_around / np.maximum(around, 1), np.nan)


def _filled(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cells without keypoints take the value of the nearest one that has some; 0 where none has."""
    unknown = np.isnan(share)
    if unknown.all():
        return np.zeros_like(share)
    nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    filled: NDArray[np.float64] = share[tuple(nearest)]
    return filled
