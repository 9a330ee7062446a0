"""The smaller sizes at which depth is measured too, so that larger photographs never show less (ADR 34)."""

from __future__ import annotations

_LEAST_SIZE_PX = 640  # what smaller ones show, this one shows as well


def halved_sizes(size_px: int) -> list[int]:
    """Half of `size_px`, half of that and so on, the smallest first; empty below about 1300 pixels."""
    half_px = (size_px + 1) // 2
    return [*halved_sizes(half_px), half_px] if half_px >= _LEAST_SIZE_PX else []


def at_size(size_px: int | None, label: str) -> str:
    """The name of the pass `label` at a smaller size; None = at the full size."""
    return label if size_px is None else f"{label}, {size_px} px"
