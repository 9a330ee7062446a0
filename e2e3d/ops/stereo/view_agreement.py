"""How well a depth map agrees with those of its sources, and the confidence that follows.

The forward-backward reprojection error is that of COLMAP MVS (Schönberger et al., ECCV 2016).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.stereo.hypothesis import reprojection_error, source_depth_at, transferred
from e2e3d.ops.stereo.planes import Plane, change_a_pixel
from e2e3d.ops.stereo.problem import COST_SCALE, Problem, State
from e2e3d.runtime.threads import in_blocks

_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)
_LARGEST_RATIO = np.float32(0.08)
_COST_RATE = np.float32(1.0 / (2.0 * 0.45**2))
# Log-odds that a depth is within two footprints of the surface: a constant, and by the count of agreeing sources,
# their support, the cost, and cost x count. Fitted by benchmarks/calibrate.py on renderings with a known surface.
_LOG_ODDS = (-0.15, -0.51, 1.32, -2.16, 0.39)


class Agreement(NamedTuple):
    """How well every pixel's plane agrees with the depth maps of the sources.

    Attributes:
        agreeing: uint8 [H, W], sources whose own depth reprojects to within `max_error_px` and differs by less than
            `max_depth_ratio` of the depth, or by less than the plane's depth does from one pixel to the next.
        support: float32 [H, W], the same softly: the sum over sources of exp(-error² / (2 * (max_error_px / 2)²)).
        cost: float32 [H, W], mean photometric cost (1 - NCC) over the agreeing sources, 2 without any.
    """

    agreeing: NDArray[np.uint8]
    support: NDArray[np.float32]
    cost: NDArray[np.float32]


def measure_agreement(
    problem: Problem, state: State, max_error_px: float, max_depth_ratio: float, threads: int = 1
) -> Agreement:
    """Compare every plane with the depth maps of the sources."""
    shape = problem.grey.shape
    found = Agreement(np.zeros(shape, np.uint8), np.zeros(shape, np.float32), np.full(shape, 2, np.float32))
    error_px, ratio = np.float32(max_error_px), np.float32(max_depth_ratio)

    def work(first: int, end: int) -> None:
        _agreement_rows(problem, state, error_px, ratio, found, first, end)

    in_blocks(work, len(found.agreeing), threads)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _agreement_rows(
    problem: Problem,
    state: State,
    max_error_px: np.float32,
    max_depth_ratio: np.float32,
    found: Agreement,
    first: int,
    end: int,
) -> None:
    count, support, cost = found
    width = problem.grey.shape[1]
    rate = np.float32(2.0) / (max_error_px * max_error_px)
    limit = np.float32(2.0) * max_error_px
    weight, truncation = problem.search.geometric_weight, problem.search.geometric_limit_px
    for y in range(first, end):
        for x in range(width):
            if problem.usable[y, x] == 0:
                continue
            px, py, w = np.float32(x) + _HALF, np.float32(y) + _HALF, state.plane[y, x, 0]
            change = change_a_pixel(Plane(w, state.plane[y, x, 1], state.plane[y, x, 2]))
            allowed = max(max_depth_ratio, min(change, _LARGEST_RATIO))
            total = _ZERO
            for s in range(len(problem.layout)):
                across, down, z = transferred(problem.forward[s], px, py, w)
                if z <= _ZERO:
                    continue
                u, v = across / z, down / z
                inside = u >= _ZERO and v >= _ZERO
                if not inside or u >= np.float32(problem.layout[s, 1]) or v >= np.float32(problem.layout[s, 2]):
                    continue
                depth = source_depth_at(problem, s, u, v)
                if depth <= _ZERO or abs(depth * w - z) > allowed * z:
                    continue
                error = reprojection_error(problem, s, px, py, u, v, limit)
                if error > max_error_px:
                    continue
                count[y, x] += 1
                support[y, x] += np.float32(math.exp(-error * error * rate))
                stored = np.float32(state.view_cost[y, x, s]) / COST_SCALE
                total += stored - weight * min(error, truncation)
            if count[y, x] > 0:
                cost[y, x] = max(total / np.float32(count[y, x]), _ZERO)


def photometric_confidence(cost: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [H, W] in [0, 1]: likelihood of a correlation cost, 1 at a perfect match, 0.08 at no correlation."""
    confidence = np.exp(-(cost**2) * _COST_RATE)
    return np.asarray(np.where(np.isfinite(cost), confidence, 0), np.float32)


def combined_confidence(agreement: Agreement) -> NDArray[np.float32]:
    """float32 [H, W] in [0, 1]: probability that a depth lies within two pixels' footprints of the surface.

    The count and the support say most; the cost decides where few views agree. Where there is little texture, noise
    makes the cost high even of a perfect match.
    """
    count, support, cost = agreement
    constant, of_count, of_support, of_cost, of_both = _LOG_ODDS
    log_odds = constant + of_count * count + of_support * support + (of_cost + of_both * count) * cost
    return np.asarray(np.where(count > 0, 1 / (1 + np.exp(-log_odds)), 0), np.float32)
