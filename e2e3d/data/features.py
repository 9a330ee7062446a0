"""Keypoints, descriptors and the matches between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Features:
    """Local features of one photograph.

    Attributes:
        keypoints_px: float32 [N, 4]: x, y (COLMAP pixel convention, full photograph), scale, orientation in radians.
        descriptors: uint8 [N, 128]; of an extractor of one's own [N, D] of any type.
        colors: uint8 [N, 3], colour of the photograph at the keypoint; it becomes the colour of sparse points.
    """

    keypoints_px: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    colors: NDArray[np.uint8]

    def __repr__(self) -> str:
        return f"Features({len(self.keypoints_px):,} keypoints)"


@dataclass(frozen=True, eq=False)
class LearnedFeatures:
    """Features of one photograph as a network finds them, in pixels of the picture that it searched.

    Attributes:
        keypoints_px: float32 [N, 2]: x, y (COLMAP pixel convention) in a picture of `width_px` by `height_px`.
        descriptors: float16 [N, 64], unit length.
    """

    keypoints_px: NDArray[np.float32]
    descriptors: NDArray[np.float16]
    width_px: int
    height_px: int


@dataclass(frozen=True, eq=False)
class OverlapCounts:
    """How many descriptors one photograph has in common with each of some others: int32 [N], in their order."""

    counts: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Visual words of a set of photographs.

    Attributes:
        words: float32 [K, 128], centres of clusters of its descriptors.
    """

    words: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class GlobalDescriptor:
    """One photograph as one vector; the scalar product of two says how alike the photographs are.

    Attributes:
        vector: float16 [K * 128], unit length; zeros where the photograph has no features.
    """

    vector: NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class PairList:
    """Which photographs to match, as indices into the list of usable photographs.

    Attributes:
        pairs: int32 [P, 2], first < second, no pair twice.
        reasons: P of ``exhaustive``, ``sequence``, ``gps``, ``retrieval``, ``overlap``, ``linked``.
    """

    pairs: NDArray[np.int32]
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PairOverlaps:
    """How much some pairs of photographs have in common.

    Attributes:
        pairs: int32 [P, 2], as in :class:`PairList`.
        shared: int32 [P], how many of their largest features match.
    """

    pairs: NDArray[np.int32]
    shared: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class MatchBlock:
    """Geometrically verified matches of a block of pairs.

    Attributes:
        pairs: int32 [P, 2], as in :class:`PairList`.
        offsets: int64 [P + 1]; matches of pair p are ``matches[offsets[p]:offsets[p + 1]]``.
        matches: uint32 [M, 2], keypoint indices in the first and second photograph; inliers only.
        candidates: int32 [P], how many matches stood before verification.
        configurations: int32 [P], COLMAP's ``TwoViewGeometryConfiguration``.
        matrices: float64 [P, 3, 3, 3]: E, F and H of each pair, zeros where not estimated.
        still_offsets: int64 [P + 1], into `still` as `offsets` into `matches`.
        still: uint32 [S, 2], matches that keep their place in the image and contradict the verified ones of their pair.
    """

    pairs: NDArray[np.int32]
    offsets: NDArray[np.int64]
    matches: NDArray[np.uint32]
    candidates: NDArray[np.int32]
    configurations: NDArray[np.int32]
    matrices: NDArray[np.float64]
    still_offsets: NDArray[np.int64]
    still: NDArray[np.uint32]
