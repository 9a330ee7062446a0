"""Geometrically verified matches of a block of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from e2e3d.config.matching import MatchingConfig, matching_cost
from e2e3d.config.workload import KEYPOINT_BYTES, Workload
from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.photo import CameraGuess
from e2e3d.data.ref import Ref
from e2e3d.ops.matching.descriptor_matching import DescriptorSet, mutual_matches
from e2e3d.ops.matching.match_blocks import join_matches
from e2e3d.ops.matching.still_matches import Matches, stands_still, verify_moving
from e2e3d.ops.matching.two_view import VerifiedPair, colmap_camera, verify_pair
from e2e3d.stages.stage import Resources, RunContext, Stage, StoredInputs


@dataclass(frozen=True)
class MatchingPhoto:
    """What matching needs of one photograph; `index` is its place in the list of usable photographs."""

    index: int
    features: Ref[Features]
    camera: CameraGuess
    width_px: int
    height_px: int


@dataclass(frozen=True)
class MatchingInputs:
    """A block of pairs (indices of usable photographs, first < second) and every photograph it touches, once.

    Attributes:
        moving_only: whether matches that stand still are known to be of a fixed background, and to be left out.
    """

    pairs: tuple[tuple[int, int], ...]
    photos: tuple[MatchingPhoto, ...]
    moving_only: bool = False


Propose = Callable[[int, int], Matches]
"""Candidate matches, uint32 [M, 2], of the photographs with these indices."""


def run(inputs: MatchingInputs, config: MatchingConfig, context: RunContext) -> MatchBlock:
    """Match the pairs of the block one after another."""
    features = {photo.index: photo.features.load() for photo in inputs.photos}
    descriptors = {index: DescriptorSet(value.descriptors, context.device) for index, value in features.items()}

    def propose(first: int, second: int) -> Matches:
        return mutual_matches(descriptors[first], descriptors[second], config.max_ratio, config.max_distance_rad)

    return verify_block(inputs, features, propose, config)


def verify_block(
    inputs: MatchingInputs, features: Mapping[int, Features], propose: Propose, config: MatchingConfig
) -> MatchBlock:
    """Verify what `propose` finds of the pairs of a block; `features` of its photographs, by index."""
    photos = {photo.index: photo for photo in inputs.photos}
    candidates, verified, still = [], [], []
    for first, second in inputs.pairs:
        matches = propose(first, second)
        if inputs.moving_only:
            matches = _moving(photos[first], photos[second], features[first], features[second], matches)
        candidates.append(len(matches))
        pair, against = _verify(photos[first], photos[second], features[first], features[second], matches, config)
        verified.append(pair)
        still.append(against)
    return gather_block(inputs.pairs, candidates, verified, still)


def _moving(
    first: MatchingPhoto, second: MatchingPhoto, features1: Features, features2: Features, matches: Matches
) -> Matches:
    """The matches without those that stand still: all of them where the photographs differ in size."""
    if (first.width_px, first.height_px) != (second.width_px, second.height_px):
        return matches
    x1, x2 = features1.keypoints_px[matches[:, 0], :2], features2.keypoints_px[matches[:, 1], :2]
    return matches[~stands_still(x1, x2, max(first.width_px, first.height_px))]


def _verify(
    first: MatchingPhoto,
    second: MatchingPhoto,
    features1: Features,
    features2: Features,
    matches: Matches,
    config: MatchingConfig,
) -> tuple[VerifiedPair, Matches]:
    """The verified pair, and its contradicting still matches: none where the photographs differ in size."""
    points1_px, points2_px = features1.keypoints_px[:, :2], features2.keypoints_px[:, :2]
    camera1 = colmap_camera(first.camera, first.width_px, first.height_px)
    camera2 = colmap_camera(second.camera, second.width_px, second.height_px)

    def verify(some: Matches) -> VerifiedPair:
        return verify_pair(points1_px, points2_px, some, camera1, camera2, config.max_error_px, config.min_inliers)

    if (first.width_px, first.height_px) != (second.width_px, second.height_px):
        return verify(matches), matches[:0]
    longer_side_px = max(first.width_px, first.height_px)
    return verify_moving(points1_px, points2_px, matches, longer_side_px, config.max_error_px, verify)


def gather_block(
    pairs: Sequence[tuple[int, int]],
    candidates: Sequence[int],
    verified: Sequence[VerifiedPair],
    still: Sequence[Matches],
) -> MatchBlock:
    """The outcomes of all pairs of a block as one record; `candidates` counts the matches before verification."""
    offsets, matches = join_matches([pair.matches for pair in verified])
    still_offsets, still_matches = join_matches(still)
    return MatchBlock(
        pairs=np.array(pairs, np.int32).reshape(-1, 2),
        offsets=offsets,
        matches=matches,
        candidates=np.array(candidates, np.int32),
        configurations=np.array([pair.configuration for pair in verified], np.int32),
        matrices=np.array([pair.matrices for pair in verified], np.float64).reshape(-1, 3, 3, 3),
        still_offsets=still_offsets,
        still=still_matches,
    )


def most_keypoints(features: Iterable[Ref[Features]], stored: StoredInputs) -> int:
    """How many keypoints the photograph with the most of them has, by the sizes of what is stored."""
    return max((stored.size_bytes(ref) for ref in features), default=0) // KEYPOINT_BYTES


def _workload(inputs: MatchingInputs, stored: StoredInputs) -> Workload:
    keypoints = most_keypoints((photo.features for photo in inputs.photos), stored)
    return Workload(photos=len(inputs.photos), keypoints=keypoints, pairs=len(inputs.pairs))


STAGE = Stage(
    name="matching",
    version=2,
    config=MatchingConfig,
    output=MatchBlock,
    run=run,
    resources=Resources(gpu=True),
    workload=_workload,
    cost=matching_cost,
)
