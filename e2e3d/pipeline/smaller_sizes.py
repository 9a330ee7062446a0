"""Views at smaller sizes: depth is measured there too, so that larger photographs never show less (ADR 34)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from e2e3d.config.smaller_sizes import halved_sizes
from e2e3d.data.dense import View
from e2e3d.data.photo import Photo
from e2e3d.data.ref import Ref

T = TypeVar("T")


def pick(items: Sequence[T], places: Sequence[int]) -> list[T]:
    """The items at these places."""
    return [items[place] for place in places]


@dataclass(frozen=True)
class SmallerViews:
    """All views at a size below the one asked for, in the same order."""

    size_px: int
    views: Sequence[Ref[View]]

    def only(self, places: Sequence[int]) -> SmallerViews:
        """The views at these places."""
        return SmallerViews(self.size_px, pick(self.views, places))


def smaller_sizes(max_size_px: int, photos: Sequence[Photo]) -> list[int]:
    """The smaller sizes of the views of these photographs, the smallest first; see :func:`halved_sizes`.

    Args:
        max_size_px: longest side of a view, at most; they are never larger than the photographs.
        photos: what the views are made of.
    """
    longest_px = max(max(photo.width_px, photo.height_px) for photo in photos)
    return halved_sizes(min(max_size_px, longest_px))
