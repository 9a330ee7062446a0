"""Which pairs of photographs may overlap, by their largest features alone: a fraction of the cost of matching them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from e2e3d.config.pairs import OverlapConfig, overlap_cost
from e2e3d.config.workload import Workload
from e2e3d.data.features import Features, PairOverlaps
from e2e3d.data.ref import Ref
from e2e3d.ops.matching.descriptor_matching import DescriptorSet, mutual_matches
from e2e3d.ops.matching.sift import largest_features
from e2e3d.stages.matching import most_keypoints
from e2e3d.stages.stage import RunContext, Stage, StoredInputs


@dataclass(frozen=True)
class OverlapInputs:
    """A block of pairs (indices of usable photographs, first < second) and every photograph it touches, once.

    Attributes:
        photos: indices of the photographs.
        features: of each of `photos`.
    """

    pairs: tuple[tuple[int, int], ...]
    photos: tuple[int, ...]
    features: tuple[Ref[Features], ...]


def run(inputs: OverlapInputs, config: OverlapConfig, context: RunContext) -> PairOverlaps:
    """Count the mutual nearest neighbours among the largest features of each pair."""
    compared = {
        photo: DescriptorSet(largest_features(ref.load(), config.features).descriptors, context.device)
        for photo, ref in zip(inputs.photos, inputs.features, strict=True)
    }
    shared = [
        len(mutual_matches(compared[first], compared[second], config.max_ratio, config.max_distance_rad))
        for first, second in inputs.pairs
    ]
    return PairOverlaps(np.array(inputs.pairs, np.int32).reshape(-1, 2), np.array(shared, np.int32))


def _workload(inputs: OverlapInputs, stored: StoredInputs) -> Workload:
    return Workload(
        photos=len(inputs.photos), keypoints=most_keypoints(inputs.features, stored), pairs=len(inputs.pairs)
    )


STAGE = Stage(
    name="overlap",
    version=1,
    config=OverlapConfig,
    output=PairOverlaps,
    run=run,
    workload=_workload,
    cost=overlap_cost,
)
