"""What the verified matches say about the photographs: who overlaps with whom, and in which way they moved."""

from __future__ import annotations

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
_FOCAL_FACTORS = np.geomspace(0.5, 2.0, 41)


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
        calibrations: float64 [photographs, 3, 3], K as far as it is known.

    Returns:
        For each pair ``general``, ``still`` (the same picture) or ``rotation`` (turned about one point).
    """
    motions = []
    for block in blocks:
        for p, (first, second) in enumerate(block.pairs.tolist()):
            matches = matches_of(block, p).astype(np.int64)
            if len(matches) == 0:
                continue
            sample = matches[:: max(1, len(matches) // _MAX_SAMPLE)]
            x1 = keypoints_px[first][sample[:, 0], :2].astype(np.float64)
            x2 = keypoints_px[second][sample[:, 1], :2].astype(np.float64)
            motions.append(motion_of_pair(x1, x2, calibrations[first], calibrations[second]))
    return tuple(motions)


def motion_of_pair(
    x1: NDArray[np.float64], x2: NDArray[np.float64], K1: NDArray[np.float64], K2: NDArray[np.float64]
) -> str:
    """``still``, ``rotation`` or ``general``, from matched points in pixels, float64 [N, 2]."""
    import cv2

    size = 2 * max(K1[0, 2], K1[1, 2])
    if np.median(np.linalg.norm(x1 - x2, axis=1)) < _STILL_PX_SHARE * size:
        return "still"
    H, inliers = cv2.findHomography(x1, x2, cv2.RANSAC, max(3.0, 0.001 * size))
    if H is None or inliers.mean() < _HOMOGRAPHY_SHARE:
        return "general"
    # A camera that only turns moves its picture by K2 R K1^-1 (Hartley and Zisserman, section 8.4.2).
    R = np.linalg.inv(K2) @ H @ K1
    R = R / np.cbrt(np.linalg.det(R))
    return "rotation" if np.abs(R @ R.T - np.eye(3)).max() < _ROTATION_TOLERANCE else "general"


def turned_in_place(
    homographies: NDArray[np.float64], K1: NDArray[np.float64], K2: NDArray[np.float64], known_focal: bool
) -> bool:
    """Whether one camera that only turns explains the homographies of all pairs, each float64 [P, 3, 3] as K1 and K2.

    Self-calibration can turn such photographs into a model with a wrong lens, which looks sound in every other way.
    Where the focal length is a guess, those from half to twice of it are tried (Hartley and Zisserman, section 8.4.2).
    """
    factors = np.ones(1) if known_focal else _FOCAL_FACTORS
    deviations = [_turn_deviations(homographies, _zoomed(K1, factor), _zoomed(K2, factor)) for factor in factors]
    return bool(min(np.median(deviation) for deviation in deviations) < _TURNED_TOLERANCE)


def _zoomed(K: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    zoomed: NDArray[np.float64] = K * np.array([[factor, 1, 1], [1, factor, 1], [1, 1, 1]])
    return zoomed


def _turn_deviations(
    homographies: NDArray[np.float64], K1: NDArray[np.float64], K2: NDArray[np.float64]
) -> NDArray[np.float64]:
    R = np.linalg.inv(K2) @ homographies @ K1
    R = R / np.cbrt(np.linalg.det(R))[:, None, None]
    deviations: NDArray[np.float64] = np.abs(R @ R.swapaxes(1, 2) - np.eye(3)).max(axis=(1, 2))
    return deviations
