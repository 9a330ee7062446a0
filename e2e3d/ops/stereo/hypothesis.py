"""Cost of one plane hypothesis: in one source (colour and geometry), and over the sources chosen for a pixel.

The geometric term is the forward-backward reprojection error of COLMAP MVS (Schönberger et al., ECCV 2016).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.stereo.correlation import MAX_COST, SourceImage, Warp, correlation_cost
from e2e3d.ops.stereo.jit import kernel
from e2e3d.ops.stereo.planes import Plane
from e2e3d.ops.stereo.problem import COST_SCALE, Problem, Scratch, State

_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)
_MIN_DEPTH_RATIO = np.float32(1e-3)
# exp(-cost² / (2 * 0.3²)): how likely a source with this cost sees the pixel.
_VISIBILITY_RATE = np.float32(1.0 / (2.0 * 0.3**2))
_LEAST_VISIBILITY = np.float32(1e-4)
# Depths of two pixels side by side that differ by more than this are of two surfaces.
_STEEPEST = np.float32(1.3)
# Stored for a source outside of whose image a plane falls: above every cost, and the largest that can be stored.
ABSENT = np.float32(4.0)
# 1 - NCC that is no evidence for a plane nor against it: most right planes cost less, most wrong ones more.
_NEUTRAL_COST = np.float32(0.8)


@kernel
def transferred(
    transfer: NDArray[np.float32], x: np.float32, y: np.float32, w: np.float32
) -> tuple[np.float32, np.float32, np.float32]:
    """Homogeneous position in another view of the point at (x, y), pixels, and inverse depth w; `transfer` [3, 4]."""
    return (
        transfer[0, 0] * x + transfer[0, 1] * y + transfer[0, 2] + transfer[0, 3] * w,
        transfer[1, 0] * x + transfer[1, 1] * y + transfer[1, 2] + transfer[1, 3] * w,
        transfer[2, 0] * x + transfer[2, 1] * y + transfer[2, 2] + transfer[2, 3] * w,
    )


@kernel
def source_depth_at(problem: Problem, source: int, u: np.float32, v: np.float32) -> np.float32:
    """Depth of a source at (u, v) px, bilinear where the four pixels around see one surface, else nearest; 0 = none.

    They do where they agree within 2 %, or where depth changes as fast beside them, as on ground at a flat angle.
    """
    start = problem.layout[source, 0]
    width = problem.layout[source, 1]
    height = problem.layout[source, 2]
    nearest = problem.source_depth[start + min(int(v), height - 1) * width + min(int(u), width - 1)]
    column = min(max(int(u - _HALF), 0), width - 2)
    row = min(max(int(v - _HALF), 0), height - 2)
    du = min(max(u - _HALF - np.float32(column), _ZERO), _ONE)
    dv = min(max(v - _HALF - np.float32(row), _ZERO), _ONE)
    at = start + row * width + column
    a = problem.source_depth[at]
    b = problem.source_depth[at + 1]
    c = problem.source_depth[at + width]
    d = problem.source_depth[at + width + 1]
    low = min(min(a, b), min(c, d))
    high = max(max(a, b), max(c, d))
    if low <= _ZERO or high > _STEEPEST * low:
        return np.float32(nearest)
    if high <= np.float32(1.02) * low:
        top = a + du * (b - a)
        return np.float32(top + dv * (c + du * (d - c) - top))
    ends = problem.source_depth
    if not (
        (max(c, a) <= np.float32(1.02) * min(c, a) or goes_on(ends, at, width, row, height))
        and (max(d, b) <= np.float32(1.02) * min(d, b) or goes_on(ends, at + 1, width, row, height))
        and (max(a, b) <= np.float32(1.02) * min(a, b) or goes_on(ends, at, 1, column, width))
        and (max(c, d) <= np.float32(1.02) * min(c, d) or goes_on(ends, at + width, 1, column, width))
    ):
        return np.float32(nearest)
    top = _ONE / a + du * (_ONE / b - _ONE / a)
    return np.float32(_ONE / (top + dv * (_ONE / c + du * (_ONE / d - _ONE / c) - top)))


@kernel
def goes_on(depths: NDArray[np.float32], at: int, step: int, place: int, count: int) -> bool:
    """Whether inverse depth changes from pixel `at` to the one a `step` on about as it does before them or after.

    They are at `place` and `place` + 1 of the `count` pixels of their row or column.
    """
    here, there = _ONE / depths[at], _ONE / depths[at + step]
    change = there - here
    if place > 0 and depths[at - step] > _ZERO and abs(change - here + _ONE / depths[at - step]) <= _HALF * abs(change):
        return True
    if place + 2 >= count or depths[at + 2 * step] <= _ZERO:
        return False
    return bool(abs(_ONE / depths[at + 2 * step] - there - change) <= _HALF * abs(change))


@kernel
def reprojection_error(
    problem: Problem, source: int, x: np.float32, y: np.float32, u: np.float32, v: np.float32, limit: np.float32
) -> np.float32:
    """Forward-backward error: source point (u, v) with the source's own depth, seen in the reference, to (x, y), px."""
    depth = source_depth_at(problem, source, u, v)
    if depth <= _ZERO:
        return limit
    back_x, back_y, z = transferred(problem.backward[source], u, v, _ONE / depth)
    if z < _MIN_DEPTH_RATIO:
        return limit
    ex = back_x / z - x
    ey = back_y / z - y
    return np.float32(min(np.float32(math.sqrt(ex * ex + ey * ey)), limit))


@kernel
def worst_cost(problem: Problem) -> np.float32:
    """Cost of a plane without any evidence for it."""
    return np.float32(MAX_COST + problem.search.geometric_weight * problem.search.geometric_limit_px)


@kernel
def combined_cost(problem: Problem, total: np.float32, seen: np.float32) -> np.float32:
    """Cost of a plane from the weighted sum `total` over the sources that contain it, whose weights sum to `seen` <= 1.

    The other sources count with a neutral cost. If they counted against the plane, a near surface that only one source
    contains would lose to a wrong one behind it that projects into more images: borders of flights over trees.
    """
    if seen <= _ZERO:
        return np.float32(worst_cost(problem))
    neutral = _NEUTRAL_COST + problem.search.geometric_weight * problem.search.geometric_limit_px
    return np.float32(total + neutral * max(_ONE - seen, _ZERO))


@kernel
def view_cost(
    problem: Problem,
    scratch: Scratch,
    source: int,
    x: np.float32,
    y: np.float32,
    plane: Plane,
) -> np.float32:
    """Cost of a plane at pixel centre (x, y) in one source: 1 - NCC, plus the geometric term.

    ABSENT where the source does not contain the point, which is no evidence against the plane; a masked place is.
    """
    m = problem.forward[source]
    u, v, z = transferred(m, x, y, plane.w)
    if z < _MIN_DEPTH_RATIO:
        return ABSENT
    inverse_z = _ONE / z
    source_u = u * inverse_z
    source_v = v * inverse_z
    width = problem.layout[source, 1]
    height = problem.layout[source, 2]
    if source_u < _ZERO or source_v < _ZERO or source_u >= np.float32(width) or source_v >= np.float32(height):
        return ABSENT
    start = problem.layout[source, 0]
    if len(problem.source_usable) > 1 and problem.source_usable[start + int(source_v) * width + int(source_u)] == 0:
        return np.float32(worst_cost(problem))
    by_x = m[0, 0] + m[0, 3] * plane.gx, m[1, 0] + m[1, 3] * plane.gx, m[2, 0] + m[2, 3] * plane.gx
    by_y = m[0, 1] + m[0, 3] * plane.gy, m[1, 1] + m[1, 3] * plane.gy, m[2, 1] + m[2, 3] * plane.gy
    warp = Warp(u, v, z, *by_x, *by_y)
    image = SourceImage(problem.texels, start, width, height)
    search = problem.search
    cost = correlation_cost(scratch.patch, scratch.quads, image, warp, search.noise_variance)
    if search.geometric_weight > _ZERO:
        error = reprojection_error(problem, source, x, y, source_u, source_v, search.geometric_limit_px)
        cost += search.geometric_weight * error
    return np.float32(cost)


@kernel
def choose_sources(state: State, scratch: Scratch, x: int, y: int, count: int) -> int:
    """Choose up to `count` sources for a pixel, best first, and their weights, which sum to 1; returns how many.

    A source's weight is how likely it sees the surface: the mean over the pixel and its four neighbours of the
    likelihood of the cost that their present planes have in it (in the spirit of ACMH, Xu and Tao, CVPR 2019, with no
    evaluation of its own).
    """
    weights, chosen = scratch.weights, scratch.chosen
    height, width, sources = state.view_cost.shape
    scale = _ONE / COST_SCALE
    left, right = max(x - 1, 0), min(x + 1, width - 1)
    above, below = max(y - 1, 0), min(y + 1, height - 1)
    used = 0
    for s in range(sources):
        likelihood = _ZERO
        for k in range(5):
            row = above if k == 1 else (below if k == 2 else y)
            column = left if k == 3 else (right if k == 4 else x)
            cost = np.float32(state.view_cost[row, column, s]) * scale
            likelihood += np.float32(math.exp(-cost * cost * _VISIBILITY_RATE))
        likelihood += _LEAST_VISIBILITY
        slot = min(used, count - 1)
        if used == count and likelihood <= weights[slot]:
            continue
        while slot > 0 and weights[slot - 1] < likelihood:
            weights[slot] = weights[slot - 1]
            chosen[slot] = chosen[slot - 1]
            slot -= 1
        weights[slot] = likelihood
        chosen[slot] = s
        used = min(used + 1, count)
    total = _ZERO
    for k in range(used):
        total += weights[k]
    for k in range(used):
        weights[k] /= total
    return used


@kernel
def plane_cost(
    problem: Problem,
    scratch: Scratch,
    used: int,
    x: np.float32,
    y: np.float32,
    plane: Plane,
    bound: np.float32,
) -> np.float32:
    """Weighted cost of a plane over the chosen sources; stops once it cannot be below `bound` any more."""
    total = _ZERO
    seen = _ZERO
    for k in range(used):
        cost = view_cost(problem, scratch, scratch.chosen[k], x, y, plane)
        if cost >= ABSENT:
            continue
        total += scratch.weights[k] * cost
        seen += scratch.weights[k]
        if total >= bound:
            return np.float32(total)
    return np.float32(combined_cost(problem, total, seen))
