"""Regions that show nothing to match, and which of them are no surface, such as a bright sky.

Where windows hold only a gradient and noise, a match is a coincidence. Propagation spreads its plane to a patch, and
other views agree on it, because they propagate theirs the same way. A single patch looks like a surface, but the region
does not: the planes of a white wall come from the texture around it and are coherent; those of the sky come from
everywhere and are not.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.stereo.support import NOISE_VARIANCE, large_regions, variance

# Share of a blank region's agreeing pixels that must lie on surfaces; nearly all walls have 0.79 and more, skies 0.53
# and less (benchmarks/RESULTS.md).
_LEAST_COHERENT = 2 / 3
_LEAST_SHARE = 1 / 200  # of the image; in smaller regions what outlines cost counts for too much


def blank_regions(grey: NDArray[np.uint8], radius_px: int) -> NDArray[np.int32]:
    """The connected regions of pixels whose windows of `radius_px` in `grey`, uint8 [H, W], hold no more than noise.

    Returns:
        The number of its region for every pixel, int32 [H, W]; 0 for all that shows something or is smaller than a
        window.
    """
    blank = _detail(grey.astype(np.float32), radius_px) <= NOISE_VARIANCE
    return large_regions(blank.astype(np.uint8), (2 * radius_px + 1) ** 2)


def incoherent_regions(
    region: NDArray[np.int32], agreeing: NDArray[np.bool_], on_surface: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """The pixels, bool [H, W], of large blank regions whose depth is not coherent, and so not reliable.

    Args:
        region: int32 [H, W], from :func:`blank_regions`.
        agreeing: bool [H, W], the pixels on whose depth other views agree.
        on_surface: bool [H, W], those of them that rest on what they show and lie on a surface of some size
            (:mod:`e2e3d.ops.stereo.support`, :mod:`e2e3d.ops.stereo.coherence`).
    """
    count = int(region.max()) + 1
    agreed = np.bincount(region[agreeing], minlength=count)
    incoherent = np.bincount(region[on_surface], minlength=count) < _LEAST_COHERENT * agreed
    incoherent &= np.bincount(region.ravel(), minlength=count) >= _LEAST_SHARE * region.size
    incoherent[0] = False
    return np.asarray(incoherent[region])


def _detail(values: NDArray[np.float32], radius_px: int) -> NDArray[np.float32]:
    """Variance of the (2 * radius_px + 1)² pixels around every pixel about the plane that fits their values best."""
    values = cv2.copyMakeBorder(values, *[radius_px] * 4, cv2.BORDER_REPLICATE)  # a mirrored slope would be no plane
    offsets = np.arange(-radius_px, radius_px + 1, dtype=np.float32)
    mean = np.full(len(offsets), 1 / len(offsets), np.float32)
    slope = offsets / np.float32((offsets**2).sum())
    along_x = cv2.sepFilter2D(values, cv2.CV_32F, slope, mean)
    along_y = cv2.sepFilter2D(values, cv2.CV_32F, mean, slope)
    of_slopes = (along_x * along_x + along_y * along_y) * np.float32((offsets**2).mean())
    detail = variance(values, radius_px) - of_slopes
    return np.asarray(detail[radius_px:-radius_px, radius_px:-radius_px], np.float32)
