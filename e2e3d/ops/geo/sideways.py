"""Photographs that lie on their side, or upside down, beside the others: their orientation flag is wrong or was lost.

Mapping does not mind, but up is told by how cameras are held. Half of the pictures on their side before a facade have
horizontal axes both along it and up it, as views straight down at the ground have in a flight with two headings. The
two differ in the rest: held upright, the axes of cameras that look along the ground turn about up, and the tops agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEVEL = 0.03  # mean square of the horizontal axes along up: 10 degrees
_FAN = 0.03  # mean square of the horizontal axes across their line: views turn by 10 degrees
_BETTER = 4.0  # by how much the axes must be more level than without turns
_NEARLY = 0.8
_STEPS = 3
_TOP_WEIGHT = 0.003

_TURNS = np.array([[[c, -s, 0], [s, c, 0], [0, 0, 1]] for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))], np.float64)


def quarter_turns(rotations: NDArray[np.float64], portrait: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """By how many quarters each camera has to be turned about its view to be held as the upright ones are, in 0 to 3.

    All 0 where the cameras agree as they are, or where it cannot be told.

    Args:
        rotations: cam_from_world, float64 [N, 3, 3].
        portrait: which pictures are higher than wide, bool [N]. Cameras that do not turn about up (a straight walk
            along a wall) look like a flight; pictures of two shapes tell the one from the other.
    """
    upright = np.zeros(len(rotations), np.int64)
    found = [_held_as(rotations, -one[1]) for one in rotations]
    level = [turns for turns in found if _axes(rotations, turns)[0] <= _LEVEL]
    if not level or any(not turns.any() for turns in level):
        return upright
    fans = [_axes(rotations, turns)[1] for turns in level]
    widest = [turns for turns, fan in zip(level, fans, strict=True) if fan >= _NEARLY * max(fans)]
    best = max(widest, key=lambda turns: int((turns == 0).sum()))
    shapes = portrait is not None and portrait.any() and len(np.unique(portrait ^ (best % 2 == 1))) == 1
    if (max(fans) < _FAN and not shapes) or not (best % 2).any():
        return upright
    if not shapes and _BETTER * _axes(rotations, best)[0] > _axes(rotations, upright)[0]:
        return upright
    return best


def turned(poses: NDArray[np.float64], turns: NDArray[np.int64]) -> NDArray[np.float64]:
    """The poses, float64 [N, 3, 4] or [N, 3, 3], of cameras turned about their views by so many quarters."""
    return np.asarray(_TURNS[turns] @ poses)


def _held_as(rotations: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.int64]:
    """The turns that bring the tops nearest to `up`, which is then taken from all of them again, a few times."""
    turns = np.zeros(len(rotations), np.int64)
    for _ in range(_STEPS):
        tops = -np.stack([turned(rotations, np.full(len(rotations), k))[:, 1] for k in range(4)], axis=1)
        turns = np.argmax((tops @ up).round(6), axis=1)
        held = turned(rotations, turns)
        top = -held[:, 1].mean(axis=0)
        top = top / max(float(np.linalg.norm(top)), 1e-9)
        scatter = held[:, 0].T @ held[:, 0] / len(held) + _TOP_WEIGHT * (np.eye(3) - np.outer(top, top))
        up = np.linalg.eigh(scatter)[1][:, 0]
        up = up if up @ top >= 0 else -up
    return turns.astype(np.int64)


def _axes(rotations: NDArray[np.float64], turns: NDArray[np.int64]) -> tuple[float, float]:
    """Mean squares of the horizontal axes of the turned cameras: along up, and across their line in the horizon."""
    level = turned(rotations, turns)[:, 0]
    values = np.maximum(np.linalg.eigvalsh(level.T @ level / len(level)), 0.0)
    return float(values[0]), float(values[1])
