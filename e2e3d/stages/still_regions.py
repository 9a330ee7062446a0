"""Where the photographs of a set stand still in the image."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.matching import still_regions_cost
from e2e3d.config.workload import Workload
from e2e3d.data.agreement import StillRegions
from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.ref import Ref
from e2e3d.ops.matching.still_keypoints import find_still_regions
from e2e3d.stages.matching import most_keypoints
from e2e3d.stages.stage import RunContext, Stage, StoredInputs


@dataclass(frozen=True)
class StillRegionsConfig:
    """Finding what stands still has no settings."""


@dataclass(frozen=True)
class StillRegionsInputs:
    """All features and verified matches of the set; width and height of each usable photograph."""

    features: tuple[Ref[Features], ...]
    sizes_px: tuple[tuple[int, int], ...]
    blocks: tuple[Ref[MatchBlock], ...]


def run(inputs: StillRegionsInputs, config: StillRegionsConfig, context: RunContext) -> StillRegions:
    """Find the regions from all matches; they are empty unless most pairs stand still while something else changes."""
    keypoints = [ref.load().keypoints_px[:, :2].copy() for ref in inputs.features]
    return find_still_regions(keypoints, inputs.sizes_px, inputs.blocks)


def _workload(inputs: StillRegionsInputs, stored: StoredInputs) -> Workload:
    return Workload(photos=len(inputs.features), keypoints=most_keypoints(inputs.features, stored))


STAGE = Stage(
    name="still_regions",
    version=1,
    config=StillRegionsConfig,
    output=StillRegions,
    run=run,
    workload=_workload,
    cost=still_regions_cost,
)
