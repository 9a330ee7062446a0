"""Geometrically verified matches of learned features: of a block of pairs, confirmed, and merged with SIFT's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pycolmap
from numpy.typing import NDArray

from e2e3d.config.learned import LearnedMatchingConfig, gathering_cost, network_cost
from e2e3d.data.features import Features, LearnedFeatures, MatchBlock
from e2e3d.data.photo import CameraGuess
from e2e3d.data.ref import Ref
from e2e3d.ops.matching import xfeat
from e2e3d.ops.matching.learned_pairs import confirmed
from e2e3d.ops.matching.match_blocks import merge_blocks
from e2e3d.ops.matching.two_view import VerifiedPair, colmap_camera, verify_pair
from e2e3d.stages.matching import gather_block
from e2e3d.stages.stage import Resources, RunContext, Stage


@dataclass(frozen=True)
class LearnedPhoto:
    """What matching needs of one photograph; `index` is its place in the list of usable photographs."""

    index: int
    features: Ref[Features]
    learned: Ref[LearnedFeatures]
    camera: CameraGuess
    width_px: int
    height_px: int


@dataclass(frozen=True)
class LearnedMatchingInputs:
    """A block of pairs (indices of usable photographs, first < second) and every photograph it touches, once.

    Attributes:
        packages: those that hold the networks, by name and version.
    """

    pairs: tuple[tuple[int, int], ...]
    photos: tuple[LearnedPhoto, ...]
    packages: tuple[str, ...]


def run(inputs: LearnedMatchingInputs, config: LearnedMatchingConfig, context: RunContext) -> MatchBlock:
    """Match the pairs of the block; learned keypoints are counted behind those of SIFT, as joining puts them."""
    photos = {photo.index: _load(photo) for photo in inputs.photos}
    candidates, verified = [], []
    for pair in inputs.pairs:
        first, second = (photos[i] for i in pair)
        with xfeat.torch_threads(context.threads):
            matches = xfeat.match(first.learned, second.learned, config.min_confidence, context.device)
        candidates.append(len(matches))
        verified.append(_verify(first, second, matches, config))
    return gather_block(inputs.pairs, candidates, verified, [pair.matches[:0] for pair in verified])


@dataclass(frozen=True)
class _Loaded:
    """A photograph as pairs of it are matched.

    Attributes:
        learned: its features in the searched picture; `positions_px` float32 [N, 2] in the photograph.
        camera: to verify with.
        before: how many keypoints SIFT found.
        reduction: pixels of the photograph to one of the searched picture.
    """

    learned: LearnedFeatures
    positions_px: NDArray[np.float32]
    camera: pycolmap.Camera
    before: int
    reduction: float


def _load(photo: LearnedPhoto) -> _Loaded:
    learned = photo.learned.load()
    return _Loaded(
        learned,
        xfeat.full_positions(learned, photo.width_px, photo.height_px),
        colmap_camera(photo.camera, photo.width_px, photo.height_px),
        len(photo.features.load().keypoints_px),
        max(photo.width_px, photo.height_px) / max(learned.width_px, learned.height_px),
    )


def _verify(
    first: _Loaded, second: _Loaded, matches: NDArray[np.uint32], config: LearnedMatchingConfig
) -> VerifiedPair:
    found = verify_pair(
        first.positions_px,
        second.positions_px,
        matches,
        first.camera,
        second.camera,
        config.max_error_px * max(first.reduction, second.reduction),
        config.min_inliers,
    )
    offsets = np.array([first.before, second.before], np.uint32)
    return VerifiedPair(found.matches + offsets, found.configuration, found.matrices)


@dataclass(frozen=True)
class GatheringConfig:
    """Gathering matches has no settings of its own."""


@dataclass(frozen=True)
class GatheringInputs:
    """Blocks of matches; those of learned features hold every pair once among them, those of SIFT too."""

    learned: tuple[Ref[MatchBlock], ...]
    sift: tuple[Ref[MatchBlock], ...] = ()


def run_confirming(inputs: GatheringInputs, config: GatheringConfig, context: RunContext) -> MatchBlock:
    """The pairs of learned features that a third photograph confirms, in one block."""
    return confirmed(merge_blocks([block.load() for block in inputs.learned]))


def run_merging(inputs: GatheringInputs, config: GatheringConfig, context: RunContext) -> MatchBlock:
    """All matches of both kinds in one block, every pair once."""
    return merge_blocks([block.load() for block in (*inputs.sift, *inputs.learned)])


STAGE = Stage(
    name="learned-matching",
    version=1,
    config=LearnedMatchingConfig,
    output=MatchBlock,
    run=run,
    resources=Resources(gpu=True),
    cost=network_cost,
)
CONFIRMING_STAGE = Stage(
    name="confirmed-matches",
    version=1,
    config=GatheringConfig,
    output=MatchBlock,
    run=run_confirming,
    cost=gathering_cost,
)
MERGING_STAGE = Stage(
    name="merged-matches",
    version=1,
    config=GatheringConfig,
    output=MatchBlock,
    run=run_merging,
    cost=gathering_cost,
)
