"""Settings of the geometric passes of multi-view stereo."""

from __future__ import annotations

from dataclasses import dataclass, replace

from e2e3d.config.bounds import bounded
from e2e3d.config.stereo import StereoConfig
from e2e3d.config.workload import DEPTH_BYTES, KERNELS_BYTES, Cost, Workload
from e2e3d.errors import SettingsError

REFINEMENTS = ("refinement 1", "refinement 2")
"""Labels of the passes that refine depth, in order."""


@dataclass(frozen=True)
class ConsistencyConfig(StereoConfig):
    """Settings of the geometric passes, beside those of the match.

    Attributes:
        sweeps: red-black sweeps.
        geometric_weight: cost of one pixel of forward-backward reprojection error.
        geometric_limit_px: error beyond which the cost does not grow.
        min_views: sources that must agree with a depth for it to stay.
        max_error_px: forward-backward reprojection error up to which a source agrees.
        max_depth_ratio: relative difference of depth up to which a source agrees.
        max_cost: largest 1 - NCC, averaged over the agreeing sources, with which a depth stays; 1 is no likeness.
        min_confidence: least probability, from agreement and colours, with which a depth stays.
        seed: of the random hypotheses.
    """

    sweeps: int = bounded(1, 1, 50)
    geometric_weight: float = bounded(0.15, 0, 2)
    geometric_limit_px: float = bounded(3.0, 0.1, 100)
    min_views: int = bounded(1, 1, 16)
    max_error_px: float = bounded(1.5, 0.01, 100)
    max_depth_ratio: float = bounded(0.01, 1e-05, 1)
    max_cost: float = bounded(0.9, 0.01, 2)
    min_confidence: float = bounded(0.3, 0, 0.99)
    seed: int = bounded(1, 0, 2**31 - 1)

    def __post_init__(self) -> None:
        self.check_match("consistency")
        if self.geometric_weight * self.geometric_limit_px > 1.9:
            raise SettingsError(
                "bad-setting",
                "consistency.geometric_weight x consistency.geometric_limit_px exceeds 1.9.",
                "Leave them at their defaults.",
            )


def refinement_cost(work: Workload, config: ConsistencyConfig) -> Cost:
    """Of improving each depth with those of its sources."""
    return replace(consistency_cost(work, config), cpu_s=4.5 * config.sweeps * work.photos * work.view_mp)


def consistency_cost(work: Workload, config: ConsistencyConfig) -> Cost:
    """Of the last improvement, and of dropping what still disagrees."""
    return Cost(
        memory_bytes=KERNELS_BYTES + 60e6 + (60e6 + 45e6 * config.sources) * work.view_mp,
        cpu_s=4.8 * config.sweeps * work.photos * work.view_mp,
        disk_bytes=DEPTH_BYTES * 1e6 * work.photos * work.view_mp,
    )
