"""Learned features of one photograph, how many it shares with others, and what SIFT found joined with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from e2e3d.config.learned import LearnedFeaturesConfig, gathering_cost, network_cost
from e2e3d.data.features import Features, LearnedFeatures, OverlapCounts
from e2e3d.data.ref import Ref
from e2e3d.ops.matching import xfeat
from e2e3d.ops.matching.sift import sample_colors
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.stages.stage import Resources, RunContext, Stage
from e2e3d.stages.usable_pixels import usable_pixels


@dataclass(frozen=True)
class LearnedFeaturesInputs:
    """One photograph and its mask image if it has one; `packages` holds the networks, by name and version."""

    photo: Ref[bytes]
    mask: Ref[bytes] | None
    packages: tuple[str, ...]


def run(inputs: LearnedFeaturesInputs, config: LearnedFeaturesConfig, context: RunContext) -> LearnedFeatures:
    """Find learned features; positions are in pixels of the reduced picture, and nothing outside the mask stays."""
    decoded = decode_photo(inputs.photo.load(), config.max_size_px)
    mask = usable_pixels(inputs.mask, decoded)
    with xfeat.torch_threads(context.threads):
        return xfeat.find_features(decoded.image, mask, config.max_features, config.min_score, context.device)


@dataclass(frozen=True)
class OverlapConfig:
    """Comparing photographs has no settings of its own."""


@dataclass(frozen=True)
class OverlapInputs:
    """One photograph, and those that it may overlap with."""

    photo: Ref[LearnedFeatures]
    others: tuple[Ref[LearnedFeatures], ...]


def run_overlap(inputs: OverlapInputs, config: OverlapConfig, context: RunContext) -> OverlapCounts:
    """Count the descriptors that each of the others has in common with the photograph."""
    photo = inputs.photo.load()
    return OverlapCounts(np.array([xfeat.mutual_count(photo, other.load()) for other in inputs.others], np.int32))


@dataclass(frozen=True)
class JoiningConfig:
    """Joining features has no settings of its own."""


@dataclass(frozen=True)
class JoiningInputs:
    """One photograph, its size after EXIF orientation, and what SIFT and the network found in it."""

    photo: Ref[bytes]
    width_px: int
    height_px: int
    features: Ref[Features]
    learned: Ref[LearnedFeatures]


def run_joining(inputs: JoiningInputs, config: JoiningConfig, context: RunContext) -> Features:
    """Both kinds as one: SIFT's keypoints as they were, then the learned ones, whose SIFT descriptors are zeros."""
    features, learned = inputs.features.load(), inputs.learned.load()
    image = decode_photo(inputs.photo.load(), max(learned.width_px, learned.height_px)).image
    keypoints_px = np.zeros((len(learned.keypoints_px), 4), np.float32)
    keypoints_px[:, :2] = xfeat.full_positions(learned, inputs.width_px, inputs.height_px)
    keypoints_px[:, 2] = inputs.width_px / learned.width_px
    return Features(
        np.concatenate([features.keypoints_px, keypoints_px]),
        np.concatenate([features.descriptors, np.zeros((len(keypoints_px), 128), np.uint8)]),
        np.concatenate([features.colors, sample_colors(image, learned.keypoints_px)]),
    )


STAGE = Stage(
    name="learned-features",
    version=1,
    config=LearnedFeaturesConfig,
    output=LearnedFeatures,
    run=run,
    resources=Resources(gpu=True),
    cost=network_cost,
)
OVERLAP_STAGE = Stage(
    name="learned-overlap",
    version=1,
    config=OverlapConfig,
    output=OverlapCounts,
    run=run_overlap,
    cost=gathering_cost,
)
JOINING_STAGE = Stage(
    name="joined-features",
    version=1,
    config=JoiningConfig,
    output=Features,
    run=run_joining,
    cost=gathering_cost,
)
