"""Settings of the checks of photographs."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds


@dataclass(frozen=True)
class IngestConfig:
    """Settings of the checks.

    Attributes:
        min_size_px: photographs whose longest side is shorter are left out.
        min_mask_fraction: photographs of which the mask leaves less are left out.
    """

    min_size_px: int = bounded(320, 1, 10_000)
    min_mask_fraction: float = bounded(0.002, 0, 0.99)

    def __post_init__(self) -> None:
        check_bounds(self, "ingest")
