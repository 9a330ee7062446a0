"""Matches that stand still in the image although the camera or the subject moved.

A watermark, a date stamp, dirt on the lens, the legs of a drone and the background of a turntable keep their place in
every photograph. Their matches agree with one another perfectly, on a camera that never moved, and contradict those of
the subject. A far background, a camera that hardly moves and copies of one photograph stand still as well, but agree
with everything else: what counts is the contradiction, never the stillness. It is measured in each pair
(:func:`verify_moving`) and decided over the set (:func:`find_still`), because a single pair may be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.agreement import StillParts, StillRegions
from e2e3d.data.features import MatchBlock
from e2e3d.data.ref import Ref
from e2e3d.ops.matching.keypoint_groups import connected_keypoints
from e2e3d.ops.matching.match_blocks import matches_of, still_of
from e2e3d.ops.matching.two_view import VerifiedPair

_STILL_SHARE = 0.0015  # of the longer side: about the noise of a keypoint's place
_STILL_MIN_PX = 1.5
_MOVING_SHARE = 0.03  # of the still matches: fewer moving ones than that agree by chance
_MOST = 0.5
_CONTRADICTIONS = 2

Matches = NDArray[np.uint32]


def stands_still(
    points1_px: NDArray[np.floating], points2_px: NDArray[np.floating], longer_side_px: int
) -> NDArray[np.bool_]:
    """Which matched points, float [N, 2] each, keep their place in the image up to noise: bool [N]."""
    distance_px = np.linalg.norm(points1_px.astype(np.float64) - points2_px, axis=1)
    return np.asarray(distance_px < max(_STILL_MIN_PX, _STILL_SHARE * longer_side_px))


def verify_moving(
    points1_px: NDArray[np.floating],
    points2_px: NDArray[np.floating],
    matches: Matches,
    longer_side_px: int,
    max_error_px: float,
    verify: Callable[[Matches], VerifiedPair],
) -> tuple[VerifiedPair, Matches]:
    """Verify a pair, by the matches that move where those that stand still contradict them.

    Args:
        points1_px: float [N, 2], as `points2_px`; both photographs have one size.
        points2_px: of the second photograph.
        matches: uint32 [M, 2].
        longer_side_px: of the photographs.
        max_error_px: largest distance to the epipolar line.
        verify: the matches among those handed to it that agree with one geometry.

    Returns:
        The verified pair, and the still matches that contradict it, uint32 [S, 2].
    """
    pair = verify(matches)
    x1, x2 = points1_px[matches[:, 0]], points2_px[matches[:, 1]]
    still = stands_still(x1, x2, longer_side_px)
    verified = np.isin(_codes(matches), _codes(pair.matches))
    if len(pair.matches) == 0 or not still.any():
        return pair, matches[:0]
    if (still & verified).sum() <= _MOST * verified.sum():
        return pair, matches[still & ~verified]
    moving = verify(matches[~still])
    if len(moving.matches) < _MOVING_SHARE * still.sum():
        return pair, matches[:0]
    against = epipolar_distances_px(moving.matrices[1], x1[still], x2[still]) > max_error_px
    if against.mean() <= _MOST:
        return pair, matches[:0]
    return moving, matches[still]


def epipolar_distances_px(
    F: NDArray[np.float64], points1_px: NDArray[np.floating], points2_px: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Sampson distance of matched points from a fundamental matrix (Hartley and Zisserman, section 11.4.3).

    Args:
        F: float64 [3, 3].
        points1_px: float [N, 2], as `points2_px`.
        points2_px: in the second photograph.

    Returns:
        float64 [N], pixels.
    """
    x1 = np.column_stack([points1_px, np.ones(len(points1_px))]).astype(np.float64)
    x2 = np.column_stack([points2_px, np.ones(len(points2_px))]).astype(np.float64)
    lines2, lines1 = x1 @ F.T, x2 @ F
    slope = (lines2[:, :2] ** 2).sum(1) + (lines1[:, :2] ** 2).sum(1)
    distances: NDArray[np.float64] = np.abs((x2 * lines2).sum(1)) / np.sqrt(np.maximum(slope, 1e-30))
    return distances


def find_still(
    keypoints_px: Sequence[NDArray[np.float32]], sizes_px: Sequence[tuple[int, int]], blocks: Iterable[MatchBlock]
) -> list[NDArray[np.bool_]]:
    """Which keypoints stand still in the image while the photographs show something that moves.

    Still matches join keypoints to one place in the image. A place goes when it contradicts its pairs at least twice,
    and more often than it moves along in others: a chance match of a repeated pattern does neither.

    Args:
        keypoints_px: float32 [N, >= 2] of each photograph.
        sizes_px: width and height of each photograph.
        blocks: verified matches, and the still ones that contradict them.

    Returns:
        bool [N] for each photograph.
    """
    starts = np.concatenate([[0], np.cumsum([len(k) for k in keypoints_px])])
    edges, against, along = [np.zeros((0, 2), np.int64)], np.zeros(starts[-1]), np.zeros(starts[-1])
    for block in blocks:
        for p, (first, second) in enumerate(block.pairs.tolist()):
            offset = starts[[first, second]]
            matches = matches_of(block, p).astype(np.int64)
            still = np.zeros(len(matches), np.bool_)
            if sizes_px[first] == sizes_px[second]:
                x1, x2 = keypoints_px[first][matches[:, 0], :2], keypoints_px[second][matches[:, 1], :2]
                still = stands_still(x1, x2, max(sizes_px[first]))
            contradicting = still_of(block, p).astype(np.int64)
            edges += [matches[still] + offset, contradicting + offset]
            against[(contradicting + offset).ravel()] += 1
            along[(matches[~still] + offset).ravel()] += 1
    place = connected_keypoints(np.concatenate(edges), int(starts[-1]))
    contradictions, moves = np.bincount(place, against) / 2, np.bincount(place, along) / 2
    still_place = (contradictions >= _CONTRADICTIONS) & (contradictions > moves)
    return np.split(still_place[place], starts[1:-1])


class MovingBlocks:
    """The blocks without the matches of still keypoints; a pair that would keep too few keeps none.

    Each iteration loads the blocks anew, one after another.

    Args:
        blocks: verified matches.
        still: bool [N] for each photograph, from :func:`find_still`.
        min_matches: of a pair.
    """

    def __init__(self, blocks: Sequence[Ref[MatchBlock]], still: Sequence[NDArray[np.bool_]], min_matches: int) -> None:
        self._blocks, self._still, self._min_matches = blocks, still, min_matches

    def __iter__(self) -> Iterator[MatchBlock]:
        return (without_still(ref.load(), self._still, self._min_matches) for ref in self._blocks)


def without_still(block: MatchBlock, still: Sequence[NDArray[np.bool_]], min_matches: int) -> MatchBlock:
    """The block without the matches of still keypoints; a pair that would keep fewer than `min_matches` keeps none."""
    kept = [np.zeros((0, 2), np.uint32)]
    for p, (first, second) in enumerate(block.pairs.tolist()):
        matches = matches_of(block, p)
        moving = matches[~(still[first][matches[:, 0]] | still[second][matches[:, 1]])]
        kept.append(moving if len(moving) >= min_matches or len(moving) == len(matches) else moving[:0])
    offsets = np.cumsum([len(matches) for matches in kept]).astype(np.int64)
    return replace(block, offsets=offsets, matches=np.concatenate(kept))


def describe_still(
    keypoints_px: Sequence[NDArray[np.float32]],
    still: Sequence[NDArray[np.bool_]],
    blocks: Iterable[MatchBlock],
    regions: StillRegions | None,
) -> StillParts | None:
    """What stands still, in keypoints of the features at hand and in `regions` that they were kept out of before."""
    masks = regions.masks if regions is not None and regions.found else ()
    if not masks and not any(of_photo.any() for of_photo in still):
        return None
    every, gone = np.zeros(len(still)), np.zeros(len(still))
    for block in blocks:
        for p, (first, second) in enumerate(block.pairs.tolist()):
            verified = matches_of(block, p)
            against = still_of(block, p)
            matches = np.concatenate([verified, against])
            every[[first, second]] += len(matches)
            gone[[first, second]] += (still[first][matches[:, 0]] | still[second][matches[:, 1]]).sum()
    shares = gone / np.maximum(every, 1)
    if regions is not None and masks:
        shares = np.where([mask.any() for mask in masks], np.maximum(shares, regions.still_share), shares)
    photo_index = np.repeat(np.arange(len(still)), [int(of_photo.sum()) for of_photo in still])
    positions = [keypoints[of_photo, :2] for keypoints, of_photo in zip(keypoints_px, still, strict=True)]
    return StillParts(
        photo_index.astype(np.int32), np.concatenate(positions).astype(np.float32), shares.astype(np.float32), masks
    )


def _codes(matches: Matches) -> NDArray[np.int64]:
    return matches[:, 0].astype(np.int64) << 32 | matches[:, 1].astype(np.int64)
