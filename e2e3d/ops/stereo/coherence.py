"""Which depths belong to a surface that is larger than the window they were matched with.

A surface that nothing else bounds is seen by many windows that share no pixel. A patch smaller than one window rests on
a single coincidence, however well it looks alike, and two views may well agree on one; so it is dropped. The more views
agree, the smaller a patch may be: leaves in a forest are small, but coincide in many views. This is the
speckle filter of stereo, but over slanted planes: neighbours are of one surface when a plane continues to the other.

A surface may be porous: agreement between two views of foliage leaves out every third pixel or so. With a reach of two
pixels its parts are found to belong together; depths that agree by chance differ too much from what lies around them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit

_CONTINUES_PX = np.float32(1.0)


def coherent(
    planes: NDArray[np.float32],
    keep: NDArray[np.bool_],
    count: NDArray[np.uint8],
    inverse_shift: float,
    least_area_px: int,
    reach_px: int,
) -> NDArray[np.bool_]:
    """The pixels of `keep`, bool [H, W], on connected surfaces of at least `least_area_px`.

    Args:
        planes: float32 [H, W, 3], see :mod:`e2e3d.ops.stereo.planes`.
        keep: which pixels have one.
        count: uint8 [H, W], how many other views agree with it.
        inverse_shift: change of inverse depth that moves a source position by about one pixel.
        least_area_px: pixels of the smallest surface on which one other view agrees; it is in proportion smaller where
            more do.
        reach_px: 1 = surfaces are connected along the sides of pixels; more = to all pixels within so many rows and
            columns.
    """
    result = np.array(keep)
    steps = _steps(reach_px)
    _drop_small(planes, result, count, np.float32(_CONTINUES_PX * inverse_shift), least_area_px, steps)
    return result


def _steps(reach_px: int) -> NDArray[np.int64]:
    """Columns and rows int64 [K, 2] from a pixel to those that it may be connected to."""
    across = np.arange(-reach_px, reach_px + 1)
    steps = np.stack(np.meshgrid(across, across), -1).reshape(-1, 2)
    distance = np.abs(steps).sum(1)
    return np.asarray(steps[distance == 1 if reach_px == 1 else distance > 0], np.int64)


@njit(cache=True, nogil=True, error_model="numpy")
def _drop_small(
    planes: NDArray[np.float32],
    keep: NDArray[np.bool_],
    count: NDArray[np.uint8],
    tolerance: np.float32,
    least: int,
    steps: NDArray[np.int64],
) -> None:
    """Flood every surface; `region` holds its pixels, first those that were looked around from, then those to come."""
    height, width = keep.shape
    seen = ~keep
    region = np.empty(height * width, np.int32)
    for first in range(height * width):
        if seen[first // width, first % width]:
            continue
        seen[first // width, first % width] = True
        region[0] = first
        size, done, votes = 1, 0, 0
        while done < size:
            y, x = region[done] // width, region[done] % width
            done += 1
            votes += count[y, x]
            for k in range(len(steps)):
                dx, dy = steps[k, 0], steps[k, 1]
                column, row = x + dx, y + dy
                if column < 0 or row < 0 or column >= width or row >= height or seen[row, column]:
                    continue
                here, there = planes[y, x], planes[row, column]
                gap = there[0] - here[0]
                onwards = abs(here[1] * dx + here[2] * dy - gap)
                backwards = abs(there[1] * dx + there[2] * dy - gap)
                if min(onwards, backwards) <= tolerance:
                    seen[row, column] = True
                    region[size] = row * width + column
                    size += 1
        if votes < least:
            for k in range(size):
                keep[region[k] // width, region[k] % width] = False
