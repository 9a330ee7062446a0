"""What the verified matches say about the photographs: who overlaps with whom, and in which way they moved."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from e2e3d.data.features import MatchBlock
from e2e3d.ops.matching.match_blocks import matches_of


@dataclass(frozen=True)
class MatchGraph:
    """Edges between photographs.

    Attributes:
        pairs: int32 [P, 2], only pairs with verified matches.
        counts: int64 [P], verified matches.
    """

    pairs: NDArray[np.int32]
    counts: NDArray[np.int64]

    def neighbours(self, photo: int) -> list[tuple[int, int]]:
        """(other photograph, matches) of everything that overlaps with `photo`, most matches first."""
        edges = [(int(p.sum()) - photo, int(c)) for p, c in zip(self.pairs, self.counts, strict=True) if photo in p]
        return sorted(edges, key=lambda edge: (-edge[1], edge[0]))

    def reachable(self, min_matches: int) -> int:
        """Size of the largest connected set of photographs that have at least `min_matches` matches each, in all."""
        totals = np.bincount(self.pairs.ravel(), np.repeat(self.counts, 2), 1)
        members = (totals >= min_matches)[self.pairs].all(axis=1)
        edges = self.pairs[members]
        graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(totals), len(totals)))
        _, labels = connected_components(graph, directed=False)
        return int(np.bincount(labels[np.unique(edges)], minlength=1).max())


_STILL_PX_SHARE = 0.002
_ROTATION_TOLERANCE = 0.1
_HOMOGRAPHY_SHARE = 0.8
_MAX_SAMPLE = 500
_TURNED_TOLERANCE = 0.03
_ZOOMED_TOLERANCE = 0.02  # with other focal lengths; walks along a wall 0.03 and more
_MUCH_BETTER = 0.4
_FOCAL_OCTAVES = (np.linspace(-1, 1, 17), *(np.array([-1, 0, 1]) / finer for finer in (16, 32, 64)))
_MAX_PAIRS = 200


def match_graph(blocks: Iterable[MatchBlock]) -> MatchGraph:
    """Gather the verified matches of all blocks."""
    pairs, counts = [], []
    for block in blocks:
        found = np.diff(block.offsets)
        pairs.append(block.pairs[found > 0])
        counts.append(found[found > 0])
    nothing = np.zeros((0, 2), np.int32), np.zeros(0, np.int64)
    return MatchGraph(np.concatenate([nothing[0], *pairs]), np.concatenate([nothing[1], *counts]))


def pair_motions(
    blocks: Iterable[MatchBlock], keypoints_px: Sequence[NDArray[np.float32]], calibrations: NDArray[np.float64]
) -> tuple[str, ...]:
    """How the camera moved between the photographs of each pair with verified matches.

    Args:
        blocks: verified matches.
        keypoints_px: float32 [N, >= 2] of each photograph.
        calibrations: float64 [photographs, 3, 3], K as far as it is known. The focal length may be wrong: one from half
            to twice of it counts as well, if it explains the pairs as turns of a camera.

    Returns:
        For each pair ``general``, ``still`` (the same picture) or ``rotation`` (turned about one point).
    """
    motions, found = list[str](), list[tuple[int, int, int, NDArray[np.float64]]]()
    for block in blocks:
        for p, (first, second) in enumerate(block.pairs.tolist()):
            matches = matches_of(block, p).astype(np.int64)
            if len(matches) == 0:
                continue
            sample = matches[:: max(1, len(matches) // _MAX_SAMPLE)]
            x1 = keypoints_px[first][sample[:, 0], :2].astype(np.float64)
            x2 = keypoints_px[second][sample[:, 1], :2].astype(np.float64)
            size = 2 * max(calibrations[first][0, 2], calibrations[first][1, 2])
            motions.append("still" if _stands_still(x1, x2, size) else "general")
            homography = None if motions[-1] == "still" else homography_of_pair(x1, x2, size)
            if homography is not None:
                found.append((len(motions) - 1, first, second, homography))
    if found:
        places, first_of, second_of, homographies = zip(*found, strict=True)
        turns = turns_in_place(np.array(homographies), calibrations[list(first_of)], calibrations[list(second_of)])
        for place, turned in zip(places, turns.tolist(), strict=True):
            motions[place] = "rotation" if turned else "general"
    return tuple(motions)


def _stands_still(x1: NDArray[np.float64], x2: NDArray[np.float64], size_px: float) -> bool:
    return bool(np.median(np.linalg.norm(x1 - x2, axis=1)) < _STILL_PX_SHARE * size_px)


def homography_of_pair(x1: NDArray[np.float64], x2: NDArray[np.float64], size_px: float) -> NDArray[np.float64] | None:
    """The homography that explains (nearly) all of the matched points, float64 [N, 2] pixels; None = none does."""
    import cv2

    H, inliers = cv2.findHomography(x1, x2, cv2.RANSAC, max(3.0, 0.001 * size_px))
    return None if H is None or inliers.mean() < _HOMOGRAPHY_SHARE else np.asarray(H, np.float64)


def turns_in_place(
    homographies: NDArray[np.float64], K1: NDArray[np.float64], K2: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which homographies are those of a camera that only turns, bool [P]; K1 and K2 float64 [P, 3, 3] as far as known.

    A camera that only turns moves its picture by K2 R K1^-1 (Hartley and Zisserman, section 8.4.2). Where the focal
    lengths are wrong, other ones must explain most of the pairs, and much better: a plane in front of a camera that
    moves fits some of them a little better, too.
    """
    stated = _turn_deviations(homographies, K1, K2)
    if np.median(stated) < _TURNED_TOLERANCE:
        return np.asarray(stated < _ROTATION_TOLERANCE)
    zoomed = _least_turn_deviations(homographies, K1, K2)
    if np.median(zoomed) < min(_ZOOMED_TOLERANCE, _MUCH_BETTER * float(np.median(stated))):
        return np.asarray(zoomed < _TURNED_TOLERANCE)
    return np.asarray(stated < _ROTATION_TOLERANCE)


def turned_in_place(homographies: NDArray[np.float64], K1: NDArray[np.float64], K2: NDArray[np.float64]) -> bool:
    """Whether one camera that only turns explains the homographies of all pairs, each float64 [P, 3, 3] as K1 and K2.

    Self-calibration can make a model with a wrong lens of such photographs, which looks sound in every other way.
    """
    step = max(1, len(homographies) // _MAX_PAIRS)
    homographies, K1, K2 = homographies[::step], K1[::step], K2[::step]
    stated = float(np.median(_turn_deviations(homographies, K1, K2)))
    if stated < _TURNED_TOLERANCE:
        return True
    zoomed = float(np.median(_least_turn_deviations(homographies, K1, K2)))
    return zoomed < min(_ZOOMED_TOLERANCE, _MUCH_BETTER * stated)


def _least_turn_deviations(
    homographies: NDArray[np.float64], K1: NDArray[np.float64], K2: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far each homography is from a turn, float64 [P], with focal lengths from half to twice the given ones.

    Either photograph of a pair has its own: the files of some may be wrong, and people zoom.
    """
    middle, best = np.zeros((len(homographies), 2)), np.full(len(homographies), np.inf)
    for octaves in _FOCAL_OCTAVES:
        base = middle.copy()
        for offset in itertools.product(octaves, octaves):
            tried = base + np.array(offset)
            first, second = (2.0 ** tried[:, i] for i in (0, 1))
            deviations = _turn_deviations(homographies, _zoomed(K1, first), _zoomed(K2, second))
            nearer = deviations < best
            best[nearer], middle[nearer] = deviations[nearer], tried[nearer]
    return best


def _zoomed(K: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    zoomed = K.copy()
    zoomed[:, [0, 1], [0, 1]] *= factors[:, None]
    return zoomed


def _turn_deviations(
    homographies: NDArray[np.float64], K1: NDArray[np.float64], K2: NDArray[np.float64]
) -> NDArray[np.float64]:
    R = np.linalg.inv(K2) @ homographies @ K1
    R = R / np.cbrt(np.linalg.det(R))[:, None, None]
    deviations: NDArray[np.float64] = np.abs(R @ R.swapaxes(1, 2) - np.eye(3)).max(axis=(1, 2))
    return deviations
