"""A subset of the tracks that fixes the cameras about as well as all of them, at a fraction of the mapper's time.

The cost of bundle adjustment grows with the observations, and most are redundant beside longer tracks near them.
As in Cui, Shen and Hu, "Tracks selection for robust, efficient and scalable large-scale structure from motion" (Pattern
Recognition, 2017), long tracks that cover the photographs are preferred; here per cell of a grid on each photograph.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.features import MatchBlock
from e2e3d.ops.matching.keypoint_groups import connected_keypoints
from e2e3d.ops.matching.match_blocks import matches_of

TRACKS_A_PHOTO = 1000
_GRID = 8  # cells along either side of a photograph
_ENOUGH_MATCHES = 200


def choose_tracks(
    keypoints_px: Sequence[NDArray[np.float32]], blocks: Iterable[MatchBlock], tracks_a_photo: int = TRACKS_A_PHOTO
) -> list[NDArray[np.bool_]]:
    """Which keypoints of each photograph lie on chosen tracks.

    A track is all keypoints that matches connect; one that comes to a photograph twice is wrong somewhere, and is not
    chosen. Every photograph chooses up to `tracks_a_photo` of its own, the longest of every cell first, of equal ones
    the first; what one chooses, all keep.

    Args:
        keypoints_px: float32 [N, >= 2] of each photograph.
        blocks: verified matches.
        tracks_a_photo: how many each photograph chooses, at most.

    Returns:
        bool [N] for each photograph.
    """
    starts = np.concatenate([[0], np.cumsum([len(k) for k in keypoints_px])])
    track = _track_of_keypoints(starts, blocks)
    length = _lengths(track, starts)[track]
    chosen = np.zeros(track.max(initial=-1) + 1, np.bool_)
    for keypoints, start in zip(keypoints_px, starts[:-1], strict=True):
        own = slice(start, start + len(keypoints))
        chosen[track[own][_longest_everywhere(keypoints, length[own], tracks_a_photo)]] = True
    return np.split(chosen[track], starts[1:-1])


def _track_of_keypoints(starts: NDArray[np.int64], blocks: Iterable[MatchBlock]) -> NDArray[np.int32]:
    """The number of the track of every keypoint, where those of photograph i begin at ``starts[i]``."""
    edges = [np.zeros((0, 2), np.int64)]
    for block in blocks:
        offsets = np.repeat(starts[block.pairs], np.diff(block.offsets), axis=0)
        edges.append(block.matches.astype(np.int64) + offsets)
    return connected_keypoints(np.concatenate(edges), int(starts[-1]))


def _lengths(track: NDArray[np.int32], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many photographs each track passes; 0 where it passes one twice."""
    photo = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    ordered = np.lexsort((photo, track))
    again = (np.diff(track[ordered]) == 0) & (np.diff(photo[ordered]) == 0)
    lengths = np.bincount(track)
    lengths[track[ordered[1:][again]]] = 0
    return lengths


def _longest_everywhere(keypoints_px: NDArray[np.float32], length: NDArray[np.int64], count: int) -> NDArray[np.intp]:
    """Indices of up to `count` keypoints on tracks: the longest of each cell, then the second longest, and so on."""
    matched = np.flatnonzero(length > 1)
    if len(matched) == 0:
        return matched
    positions = keypoints_px[matched, :2]
    low = positions.min(axis=0)
    place = (positions - low) / np.maximum(positions.max(axis=0) - low, 1) * _GRID
    column, row = np.minimum(place.astype(np.int64), _GRID - 1).T
    cell = row * _GRID + column
    order = np.lexsort((-length[matched], cell))  # stable: of equal ones the first
    first_of_cell = np.searchsorted(cell[order], cell[order])
    rank = np.arange(len(order)) - first_of_cell
    return matched[order[np.argsort(rank, kind="stable")[:count]]]


def on_chosen_tracks(block: MatchBlock, chosen: Sequence[NDArray[np.bool_]]) -> MatchBlock:
    """The block with only the matches on chosen tracks; a pair that would keep too few keeps all of them."""
    kept = [np.zeros((0, 2), np.uint32)]
    for p, first in enumerate(block.pairs[:, 0].tolist()):
        matches = matches_of(block, p)
        fewer = matches[chosen[first][matches[:, 0]]]
        kept.append(fewer if len(fewer) >= _ENOUGH_MATCHES else matches)
    offsets = np.cumsum([len(matches) for matches in kept]).astype(np.int64)
    return replace(block, offsets=offsets, matches=np.concatenate(kept))
