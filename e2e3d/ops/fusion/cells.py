"""Number the cells of a regular grid that points lie in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cell_numbers(
    points: NDArray[np.float32], width: float, around: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers [N] of the cells that points [N, 3] lie in, and the steps [3] from a cell to the next along each axis.

    Numbers grow along the last axis first. `around` empty layers of cells lie about the points, so that as many steps
    from a cell with points never end in one of another row. The caller sees to it that the numbers fit 63 bits.

    Args:
        points: finite, at least one.
        width: of a cell, in the unit of the points.
        around: layers of empty cells.
    """
    numbers = np.zeros(len(points), np.int64)
    sides = np.ones(3, np.int64)
    for axis in range(3):
        values = points[:, axis].astype(np.float64)
        place = ((values - values.min()) / width).astype(np.int64) + around
        sides[axis] = place.max() + around + 1
        numbers = numbers * sides[axis] + place
    return numbers, np.array([sides[1] * sides[2], sides[2], 1])
