"""Settings of matching."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds
from e2e3d.config.workload import LIBRARIES_BYTES, Cost, Workload


@dataclass(frozen=True)
class MatchingConfig:
    """Settings of matching.

    Attributes:
        max_ratio: angle to the nearest descriptor over angle to the next must be below it (Lowe's ratio test).
        max_distance_rad: largest angle between matched descriptors.
        max_error_px: largest distance to the epipolar line, in pixels of the full photograph.
        min_inliers: a pair with fewer verified matches counts as not matched.
    """

    max_ratio: float = bounded(0.8, 0.1, 1)
    max_distance_rad: float = bounded(0.7, 0.01, 3.15)
    max_error_px: float = bounded(4.0, 0.1, 100)
    min_inliers: int = bounded(15, 8, 10_000)

    def __post_init__(self) -> None:
        check_bounds(self, "matching")


_USUAL_KEYPOINTS = 8192


def matching_cost(work: Workload, config: MatchingConfig) -> Cost:
    """Of matching pairs, in blocks of few photographs; in a unit, `work.photos` are those of its block."""
    photos = min(work.photos, 6)
    return Cost(
        memory_bytes=LIBRARIES_BYTES + work.keypoints * (1000.0 * photos + 8000.0),
        cpu_s=0.36 * work.pairs * work.keypoints / _USUAL_KEYPOINTS,
        disk_bytes=6e3 * work.pairs,
    )


def still_regions_cost(work: Workload, config: object) -> Cost:
    """Of finding what stands still from all matches."""
    return Cost(
        memory_bytes=LIBRARIES_BYTES + 100.0 * work.photos * work.keypoints,
        cpu_s=0.002 * work.pairs,
        fixed_s=0.1,
        parallel=False,
        alone=True,
    )
