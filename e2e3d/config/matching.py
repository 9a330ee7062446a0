"""Settings of matching."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds


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
