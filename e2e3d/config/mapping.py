"""Settings of mapping."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds, one_of


@dataclass(frozen=True)
class MappingConfig:
    """Settings of mapping.

    Attributes:
        mapper: ``incremental``, or ``global`` (faster for large sets, less robust).
        min_matches: pairs with fewer verified matches are ignored.
        max_error_px: observations farther from their point's projection are dropped in the end.
    """

    mapper: str = one_of("incremental", "global")
    min_matches: int = bounded(15, 8, 10_000)
    max_error_px: float = bounded(3.0, 0.1, 100)

    def __post_init__(self) -> None:
        check_bounds(self, "mapping")
