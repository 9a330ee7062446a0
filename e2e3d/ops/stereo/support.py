"""Which depths are supported by the texture at the pixel itself, not only by an outline at the border of its window.

Beside the outline of an object in front of something blank, a window holds no texture but the outline. So the blank
pixels get the depth of the object, in all views alike ("foreground fattening"), and neither colours nor the depths of
other views show the error. The position of the texture in the window does.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# A pixel is blank when the variance of the 3 x 3 pixels around it is less than this share of its window's, and no more
# than what noise makes (grey levels²).
_BLANK_SHARE = 0.08
NOISE_VARIANCE = 2.25
_LEAST_AREA_PX = 20  # smaller regions are noise
_CLOSING_PX = 3
# What lies so near to a blank region and differs so little from it (grey levels) belongs to it.
_REACH_PX = 2
_SAME_GREY = 4.0


def supported(grey: NDArray[np.uint8], keep: NDArray[np.bool_], radius_px: int) -> NDArray[np.bool_]:
    """The pixels of `keep`, bool [H, W], whose depth is supported by the pixel itself.

    These are the pixels that are hardly blanker than their window of `radius_px` in `grey`, uint8 [H, W], and the blank
    ones that lie between such pixels (flat wall between its ornaments), not those beyond the outermost texture.
    """
    values = grey.astype(np.float32)
    around = variance(values, 1)
    blank = (around < _BLANK_SHARE * variance(values, radius_px)) & (around <= NOISE_VARIANCE)
    firm = (large_regions((keep & ~blank).astype(np.uint8), _LEAST_AREA_PX) > 0).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _CLOSING_PX + 1, 2 * _CLOSING_PX + 1))
    backed = keep & (cv2.morphologyEx(firm, cv2.MORPH_CLOSE, disc) > 0)
    return np.asarray(backed & ~_same_side(values, blank & ~backed))


def _same_side(values: NDArray[np.float32], blank: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels beside `blank` ones that show the same grey: of the two sides of an outline, they are on the blank."""
    size = (2 * _REACH_PX + 1, 2 * _REACH_PX + 1)
    inside = cv2.morphologyEx(blank.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    share = cv2.boxFilter(inside.astype(np.float32), cv2.CV_32F, size)
    mean = cv2.boxFilter(values * inside, cv2.CV_32F, size) / np.maximum(share, np.float32(1e-6))
    return np.asarray((share > 0) & (np.abs(values - mean) <= _SAME_GREY))


def large_regions(mask: NDArray[np.uint8], least_area_px: int) -> NDArray[np.int32]:
    """int32 [H, W]: the numbers of the 4-connected regions of `mask` with at least that area; 0 elsewhere."""
    _, label, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= least_area_px
    large[0] = False
    return np.asarray(np.where(large, np.cumsum(large), 0)[label], np.int32)


def variance(values: NDArray[np.float32], radius_px: int) -> NDArray[np.float32]:
    """Variance of the (2 * radius_px + 1)² pixels around every pixel."""
    size = (2 * radius_px + 1, 2 * radius_px + 1)
    mean = cv2.boxFilter(values, cv2.CV_32F, size)
    square = cv2.sqrBoxFilter(values, cv2.CV_32F, size)
    return np.asarray(np.maximum(square - mean * mean, 0), np.float32)
