"""The smaller sizes at which depth is measured too, so that larger photographs never show less (ADR 34)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2e3d.data.dense import View
from e2e3d.data.photo import Photo
from e2e3d.data.ref import Ref

_LEAST_SIZE_PX = 640  # what smaller ones show, this one shows as well


@dataclass(frozen=True)
class SmallerViews:
    """All views at a size below the one asked for, in the same order."""

    size_px: int
    views: Sequence[Ref[View]]


def smaller_sizes(max_size_px: int, photos: Sequence[Photo]) -> list[int]:
    """Half the size of the views, half of that and so on, the smallest first; empty below about 1300 pixels.

    Args:
        max_size_px: longest side of a view, at most; they are never larger than the photographs.
        photos: what the views are made of.
    """
    longest_px = max(max(photo.width_px, photo.height_px) for photo in photos)
    return halved_sizes(min(max_size_px, longest_px))


def halved_sizes(size_px: int) -> list[int]:
    """As :func:`smaller_sizes`, of views of that size."""
    half_px = (size_px + 1) // 2
    return [*halved_sizes(half_px), half_px] if half_px >= _LEAST_SIZE_PX else []


def at_size(size_px: int | None, label: str) -> str:
    """The name of the pass `label` at a smaller size; None = at the full size."""
    return label if size_px is None else f"{label}, {size_px} px"
