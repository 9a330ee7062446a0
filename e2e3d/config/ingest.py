"""Settings of the checks of photographs."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds
from e2e3d.config.workload import Cost, Workload


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


def ingest_cost(work: Workload, config: IngestConfig) -> Cost:
    """Of looking at photographs, whose size is only known afterwards; with the start of Ray and its workers."""
    return Cost(memory_bytes=600e6, cpu_s=0.02 * work.photos * work.photo_mp, fixed_s=8.0)
