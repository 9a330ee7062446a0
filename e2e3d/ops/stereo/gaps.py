"""Planes for the gaps of weak texture, from the sure depths around them.

Where a wall or plaster has next to no texture, all depths match about as well, and the agreement test drops what noise
chose. Gaps that are enclosed by confident depths get a planar prior, as in ACMP (Xu and Tao, AAAI 2020), but after the
test instead of before it, when the depths that define the planes are reliable. Instead of a triangulation, a pixel
searches along four lines (row, column, both diagonals) for the nearest confident pixel on either side. Inverse depth is
linear on a plane, so every line predicts it; where the lines disagree, there is more than one surface around, and the
gap stays. No line crosses an edge of the image, because surfaces end there.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit

# Confidence of a filled pixel: less than the evidence that fusion asks for, so other views must have found the same.
FILLED_CONFIDENCE = np.float32(0.3)
_SURE = 0.85
_REACH = 1 / 32  # how far a pixel looks in each direction, in longest sides of the image
_EDGE = 12  # grey levels within 3 x 3 pixels of the smoothed image
_SAME_PX = 2.0  # by how much the lines through a pixel may disagree, as shift in the sources
_LEAST_LINES = 2
_DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)


def planes_of_gaps(
    planes: NDArray[np.float32],
    confidence: NDArray[np.float32],
    gap: NDArray[np.bool_],
    grey: NDArray[np.uint8],
    inverse_shift: float,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Planes for pixels without one.

    Args:
        planes: float32 [H, W, 3], see :mod:`e2e3d.ops.stereo.planes`; read where `confidence` is high.
        confidence: float32 [H, W], 0 = no depth.
        gap: bool [H, W], where a plane is wanted; no sure pixel.
        grey: uint8 [H, W], the image.
        inverse_shift: change of inverse depth that moves a source position by about one pixel.

    Returns:
        A copy of `planes` with those that were found, and where they were, bool [H, W].
    """
    filled, found = np.array(planes), np.zeros(gap.shape, np.bool_)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    edge = cv2.morphologyEx(smooth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) >= _EDGE
    sure = (confidence >= _SURE) & ~gap
    steps = np.zeros((*gap.shape, 8), np.int16)
    _count_steps(sure, edge, round(_REACH * max(gap.shape)), steps)
    _fill(gap & ~edge, steps, np.float32(_SAME_PX * inverse_shift), filled, found)
    return filled, found


@njit(cache=True, nogil=True, error_model="numpy")
def _count_steps(sure: NDArray[np.bool_], edge: NDArray[np.bool_], reach: int, steps: NDArray[np.int16]) -> None:
    """Steps [H, W, 8] to the nearest sure pixel along the four directions, then against them; 0 = none in reach."""
    height, width = sure.shape
    for k in range(8):
        sign = 1 if k < 4 else -1
        dx, dy = sign * _DIRECTIONS[k & 3][0], sign * _DIRECTIONS[k & 3][1]
        for row in range(height):
            y = height - 1 - row if dy > 0 else row
            for column in range(width):
                x = width - 1 - column if dx > 0 else column
                px, py = x + dx, y + dy
                if px < 0 or py < 0 or px >= width or py >= height:
                    continue
                if sure[py, px]:
                    steps[y, x, k] = 1
                elif not edge[py, px] and 0 < steps[py, px, k] < reach:
                    steps[y, x, k] = steps[py, px, k] + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(
    wanted: NDArray[np.bool_],
    steps: NDArray[np.int16],
    tolerance: np.float32,
    planes: NDArray[np.float32],
    found: NDArray[np.bool_],
) -> None:
    """Fit a plane to the lines through every wanted pixel, short lines first; sure pixels are only read."""
    height, width = wanted.shape
    for y in range(height):
        for x in range(width):
            if not wanted[y, x]:
                continue
            lines, low, high = 0, np.float32(np.inf), np.float32(-np.inf)
            total, mean = _ZERO, _ZERO
            xx, xy, yy, xs, ys = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
            for k in range(4):
                ahead, behind = int(steps[y, x, k]), int(steps[y, x, k + 4])
                if ahead == 0 or behind == 0:
                    continue
                dx, dy = np.float32(_DIRECTIONS[k][0]), np.float32(_DIRECTIONS[k][1])
                first = planes[y - _DIRECTIONS[k][1] * behind, x - _DIRECTIONS[k][0] * behind, 0]
                last = planes[y + _DIRECTIONS[k][1] * ahead, x + _DIRECTIONS[k][0] * ahead, 0]
                slope = (last - first) / np.float32(ahead + behind)
                value = first + slope * np.float32(behind)
                weight = _ONE / (np.float32(ahead + behind) ** 2 * (dx * dx + dy * dy))
                total += weight
                mean += weight * value
                xx += weight * dx * dx
                xy += weight * dx * dy
                yy += weight * dy * dy
                xs += weight * dx * slope
                ys += weight * dy * slope
                low, high, lines = min(low, value), max(high, value), lines + 1
            if lines < _LEAST_LINES or high - low > tolerance:
                continue
            scale = _ONE / (xx * yy - xy * xy)
            planes[y, x, 0] = mean / total
            planes[y, x, 1] = (yy * xs - xy * ys) * scale
            planes[y, x, 2] = (xx * ys - xy * xs) * scale
            found[y, x] = True
