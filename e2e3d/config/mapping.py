"""Settings of mapping."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds, one_of
from e2e3d.config.workload import LIBRARIES_BYTES, Cost, Workload


@dataclass(frozen=True)
class MappingConfig:
    """Settings of mapping.

    Attributes:
        mapper: ``incremental``, or ``global`` (faster for large sets, less robust).
        min_matches: pairs with fewer verified matches are ignored.
        max_error_px: observations farther from their point's projection are dropped in the end.
        joint_up_to: a larger set is mapped in parts, which overlap, and are joined and adjusted together.
        part_photos: photographs of a part, beside those that it shares with its neighbours.
    """

    mapper: str = one_of("incremental", "global")
    min_matches: int = bounded(15, 8, 10_000)
    max_error_px: float = bounded(3.0, 0.1, 100)
    joint_up_to: int = bounded(150, 3, 100_000)
    part_photos: int = bounded(60, 10, 10_000)

    def __post_init__(self) -> None:
        check_bounds(self, "mapping")


def mapping_cost(work: Workload, config: MappingConfig) -> Cost:
    """Of the cameras of the whole set."""
    return Cost(
        memory_bytes=LIBRARIES_BYTES + 800.0 * work.photos * work.keypoints,
        cpu_s=0.45 * work.photos,
        parallel=False,
        alone=True,
        disk_bytes=0.3e6 * work.photos,
    )


def parts_cost(work: Workload, config: MappingConfig) -> Cost:
    """Of cutting the whole set into parts, by all of its matches."""
    return Cost(
        memory_bytes=LIBRARIES_BYTES + 100e3 * work.photos, cpu_s=0.002 * work.photos, parallel=False, alone=True
    )


def mapped_parts(photos: int, config: MappingConfig) -> int:
    """How many parts a set of so many photographs is mapped in; 0 where it is mapped jointly."""
    return 0 if photos <= config.joint_up_to else max(1, round(photos / config.part_photos))
