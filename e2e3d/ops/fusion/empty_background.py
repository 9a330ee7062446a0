"""Find the pixels of a view that show nothing: the black, white or sky around an object and in its openings.

No depth can be measured there, although the space in front is free. In one view it looks like a blank wall, which has
no depth either; so it is used as evidence only where several views agree, like the silhouettes of a visual hull
(Laurentini, PAMI 1994), and where no measured surface contradicts it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.fusion.depth_rims import pixels_of

Mask = NDArray[np.bool_]

# Levels of luma and of both chromas within 3 x 3 pixels; JPEG files keep half the pixels of chroma, which spreads.
_FLAT = (10, 20, 20)
_LEAST_SHARE = 1 / 200  # of the image, for a region that shows what the background looks like
_MEASURED = 1 / 4  # share of its pixels that may have depth: foreground fattening at the outlines of objects
_REACH = 12  # pixels that stereo grows over an outline, at most
_BINS = (4, 8, 8)  # levels of luma and chroma; colours of the background are collected in bins and those beside them
_RARE = 1 / 2000  # share of the seeds' pixels below which a colour is chance
_LEAST_AREA_PX = 20


@dataclass(frozen=True)
class EmptyBackground:
    """Pixels of a view that show nothing, or may.

    Attributes:
        bare: bool [H, W], background without depth, and as much beside it as foreground fattening reaches.
        narrow: bool [H, W], what looks like background but lies, with depth all over, between outlines so close to each
            other that all its depth may be theirs: openings, or blank patches of an object of the same colour.
    """

    bare: Mask
    narrow: Mask

    @property
    def any(self) -> Mask:
        """Bool [H, W], either of them."""
        return self.bare | self.narrow


def empty_background(image: NDArray[np.uint8], depth: NDArray[np.float32]) -> EmptyBackground:
    """Which pixels [H, W] show the empty background.

    Its colours are those of large flat regions at the border of the image in which next to nothing was measured.
    EmptyBackground is what is flat, has such a colour, and has no depth or lies beside what has none.

    Args:
        image: uint8 [H, W, 3] RGB.
        depth: float32 [H, W], 0 = none.
    """
    around = np.ones((3, 3), np.uint8)
    calm = cv2.cvtColor(cv2.medianBlur(image, 3), cv2.COLOR_RGB2YCrCb)
    flat = (cv2.morphologyEx(calm, cv2.MORPH_GRADIENT, around) <= np.array(_FLAT, np.uint8)).all(2)
    seeds = _seeds(flat, depth > 0)
    if not seeds.any():
        return EmptyBackground(seeds, seeds)
    like = _regions(flat & _has_color_of(calm, seeds))
    bare = cv2.morphologyEx(((like > 0) & (depth <= 0)).astype(np.uint8), cv2.MORPH_OPEN, around)
    for _ in range(_REACH):
        bare = cv2.dilate(bare, around) & (like > 0)
    widest = np.zeros(int(like.max()) + 1, np.float32)
    np.maximum.at(widest, like.ravel(), cv2.distanceTransform((like > 0).astype(np.uint8), cv2.DIST_L2, 3).ravel())
    return EmptyBackground(bare > 0, (like > 0) & (bare == 0) & (widest <= _REACH)[like])


def _regions(mask: Mask) -> NDArray[np.int32]:
    """The numbers int32 [H, W] of the connected regions of `mask` that are no noise, 0 elsewhere."""
    _, label, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= _LEAST_AREA_PX
    large[0] = False
    return np.asarray(np.where(large, np.cumsum(large), 0)[label], np.int32)


def projects_into(
    points_world: NDArray[np.float64],
    background: Mask,
    intrinsics_px: NDArray[np.float64],
    cam_from_world: NDArray[np.float64],
) -> Mask:
    """Which points [N, 3] project into the `background` [H, W] of a view."""
    inside, row, column, _ = pixels_of(points_world, background.shape, intrinsics_px, cam_from_world)
    found = np.zeros(len(points_world), np.bool_)
    found[inside] = background[row, column]
    return found


def _seeds(flat: Mask, measured: Mask) -> Mask:
    """The large regions of `flat` [H, W] at the border of the image with little depth."""
    count, label, stats, _ = cv2.connectedComponentsWithStats(flat.astype(np.uint8), connectivity=4)
    area = stats[:, cv2.CC_STAT_AREA]
    empty = (area >= _LEAST_SHARE * flat.size) & (np.bincount(label[measured], minlength=count) <= _MEASURED * area)
    at_border = np.zeros(count, np.bool_)
    for side in (label[0], label[-1], label[:, 0], label[:, -1]):
        at_border[side] = True
    empty &= at_border
    empty[0] = False
    return np.asarray(empty[label])


def _has_color_of(image: NDArray[np.uint8], seeds: Mask) -> Mask:
    """Which pixels [H, W] of a YCrCb image have a colour that is among those of the `seeds` [H, W], or beside them."""
    sides = tuple(256 // width for width in _BINS)
    luma, red, blue = (image[..., i].astype(np.int32) // width for i, width in enumerate(_BINS))
    index = (luma * sides[1] + red) * sides[2] + blue
    counts = np.bincount(index[seeds], minlength=int(np.prod(sides))).reshape(sides)
    present = np.pad(counts >= _RARE * seeds.sum(), 1)
    for axis in range(3):
        present |= np.roll(present, 1, axis) | np.roll(present, -1, axis)
    return np.asarray(present[1:-1, 1:-1, 1:-1].ravel()[index])
