"""Settings of undistortion."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds


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
