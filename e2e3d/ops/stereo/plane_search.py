"""The plane on which most of some pixels with inverse depths lie.

Points are (column, row, inverse depth); on a plane inverse depth is linear in the image, so a plane is its change with
the column, its change with the row, and its value at (0, 0).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_SAMPLES, _TRIALS = 1000, 50  # points and planes of the random search


def at_pixels(plane: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
    """Inverse depth [N] of a plane at the places of `points` [N, 2 or 3]."""
    return np.asarray(points[:, :2] @ plane[:2] + plane[2])


def plane_of_most(
    points: Points, tolerance: float, random: np.random.Generator, trials: int = _TRIALS
) -> NDArray[np.float64] | None:
    """The plane that passes most of `points` [N, 3] within `tolerance`, by random samples; None if they are on a line.

    After Fischler and Bolles, CACM 1981.
    """
    some = points[random.integers(len(points), size=_SAMPLES)]
    corners = some[random.integers(_SAMPLES, size=(trials, 3))]
    matrices = np.concatenate([corners[..., :2], np.ones((trials, 3, 1))], -1)
    spans = np.abs(np.linalg.det(matrices)) >= 1  # not three pixels of one line
    if not spans.any():
        return None
    planes = np.linalg.solve(matrices[spans], corners[spans, :, 2:])[..., 0]
    votes = (np.abs(some[:, :2] @ planes[:, :2].T + planes[:, 2] - some[:, 2:]) <= tolerance).sum(0)
    return np.asarray(planes[votes.argmax()])


def fitted_plane(points: Points) -> NDArray[np.float64]:
    """The plane nearest to all of `points` [N, 3], by least squares."""
    columns = np.concatenate([points[:, :2], np.ones((len(points), 1))], 1)
    return np.asarray(np.linalg.lstsq(columns, points[:, 2])[0])
