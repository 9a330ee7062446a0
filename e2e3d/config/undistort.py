"""Settings of undistortion."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds
from e2e3d.config.workload import LIBRARIES_BYTES, Cost, Workload, megapixels


@dataclass(frozen=True)
class UndistortConfig:
    """Settings of undistortion.

    Attributes:
        max_size_px: longest side of the view; depth is computed at this resolution.
        max_sources: how many source views to list at most.
    """

    max_size_px: int = bounded(1200, 64, 8192)
    max_sources: int = bounded(10, 1, 32)

    def __post_init__(self) -> None:
        check_bounds(self, "undistort")


def undistort_cost(work: Workload, config: UndistortConfig) -> Cost:
    """Of turning each photograph into a view."""
    view_mp = min(work.photo_mp, megapixels(config.max_size_px))
    return Cost(
        memory_bytes=LIBRARIES_BYTES + 10e6 * work.photo_mp + 20e6 * view_mp,
        cpu_s=0.05 * work.photos * work.photo_mp,
        disk_bytes=3e6 * work.photos * view_mp,
    )


def geometry_cost(work: Workload, config: UndistortConfig) -> Cost:
    """Of the size and sources of each view, which takes no pixels."""
    return Cost(memory_bytes=LIBRARIES_BYTES, cpu_s=0.02 * work.photos)
