"""One visit of one pixel: propagation from the other colour of the checkerboard, perturbed or refined planes.

After ACMH (Xu and Tao, CVPR 2019): each of eight regions around the pixel hands over its best plane. Everything that a
visit reads from other pixels belongs to the other colour or is constant, so visits of one colour may run in any order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.stereo.hypothesis import ABSENT, choose_sources, combined_cost, plane_cost, view_cost
from e2e3d.ops.stereo.jit import kernel
from e2e3d.ops.stereo.matching import load_patch
from e2e3d.ops.stereo.planes import is_visible
from e2e3d.ops.stereo.problem import COST_SCALE, Problem, Scratch, State, Sweep
from e2e3d.ops.stereo.randomness import hash32, signed, uniform

_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_SAME_PX = np.float32(0.03)
_LEAST_CURVATURE = np.float32(1e-4)
_UNBOUNDED = np.float32(np.inf)
# Steps (along, across) of the near and far region in each of four directions; all reach the other colour.
_NEAR = np.array([(1, 0), (2, 1), (2, -1), (3, 0), (3, 2), (3, -2)], np.int32)
_FAR = np.array([(5, 0), (7, 0), (9, 0), (11, 0), (15, 0), (19, 0)], np.int32)


@kernel
def best_neighbour(cost: NDArray[np.float32], x: int, y: int, direction: int, far: bool) -> int:
    """Flat index of the cheapest pixel of one region around (x, y), or -1 when all of it lies outside."""
    height, width = cost.shape
    best = -1
    best_cost = np.float32(np.inf)
    for k in range(6):
        along = _FAR[k, 0] if far else _NEAR[k, 0]
        across = _FAR[k, 1] if far else _NEAR[k, 1]
        column = x + (along if direction == 0 else (-along if direction == 1 else across))
        row = y + (along if direction == 2 else (-along if direction == 3 else across))
        if column < 0 or row < 0 or column >= width or row >= height:
            continue
        if cost[row, column] < best_cost:
            best_cost = cost[row, column]
            best = row * width + column
    return best


@kernel
def load_reference(problem: Problem, patch: NDArray[np.float32], x: int, y: int) -> None:
    """Prepare the reference side around (x, y): the fine window where it shows enough, the wide one elsewhere."""
    search = problem.search
    if search[8] > np.float32(0.0):
        fine_x, fine_y = problem.offset_x[0], problem.offset_y[0]
        variance = load_patch(patch, problem.grey, problem.usable, x, y, fine_x, fine_y, search[3], search[4])
        if variance >= search[8]:
            return
    wide_x, wide_y = problem.offset_x[1], problem.offset_y[1]
    load_patch(patch, problem.grey, problem.usable, x, y, wide_x, wide_y, search[3], search[4])


@kernel
def store(
    problem: Problem,
    state: State,
    scratch: Scratch,
    x: int,
    y: int,
    w: np.float32,
    gx: np.float32,
    gy: np.float32,
) -> None:
    """Make (w, gx, gy) the plane of pixel (x, y) and evaluate it in every source."""
    state.plane[y, x, 0] = w
    state.plane[y, x, 1] = gx
    state.plane[y, x, 2] = gy
    px = np.float32(x) + _HALF
    py = np.float32(y) + _HALF
    for s in range(state.view_cost.shape[2]):
        cost = view_cost(problem, scratch, s, px, py, w, gx, gy)
        state.view_cost[y, x, s] = np.uint16(cost * COST_SCALE + _HALF)


@kernel
def stored_cost(
    problem: Problem,
    state: State,
    scratch: Scratch,
    used: int,
    x: int,
    y: int,
) -> np.float32:
    """Cost of the pixel's present plane over the chosen sources, from what is stored."""
    total = np.float32(0.0)
    seen = np.float32(0.0)
    for k in range(used):
        cost = np.float32(state.view_cost[y, x, scratch.chosen[k]]) / COST_SCALE
        if cost < ABSENT:
            total += scratch.weights[k] * cost
            seen += scratch.weights[k]
    return np.float32(combined_cost(problem, total, seen))


@kernel
def keep_least(costs: NDArray[np.float32], views: int, cost: np.float32, so_far: int) -> int:
    """Keep `cost` if it is among the `views` least, ascending in `costs`; returns how many they are now."""
    slot = so_far
    if so_far == views:
        slot = views - 1
        if cost >= costs[slot]:
            return so_far
    while slot > 0 and costs[slot - 1] > cost:
        costs[slot] = costs[slot - 1]
        slot -= 1
    costs[slot] = cost
    return min(so_far + 1, views)


@kernel
def start_pixel(
    problem: Problem,
    state: State,
    starts: NDArray[np.float32],  # [H, W, K, 3] planes to start from; zeros = none, but the first is always evaluated
    scratch: Scratch,
    views: int,
    x: int,
    y: int,
) -> None:
    """Choose the best of the planes that a pixel may start from; a plane's cost is that over its best sources."""
    if problem.usable[y, x] == 0:
        state.cost[y, x] = np.float32(np.inf)
        return
    search, camera = problem.search, problem.camera
    px = np.float32(x) + _HALF
    py = np.float32(y) + _HALF
    ray_x = (px - camera[2]) / camera[0]
    ray_y = (py - camera[3]) / camera[1]
    load_reference(problem, scratch.patch, x, y)
    best = np.float32(np.inf)
    for k in range(starts.shape[2]):
        w, gx, gy = starts[y, x, k, 0], starts[y, x, k, 1], starts[y, x, k, 2]
        if k > 0 and not is_visible(w, gx, gy, ray_x, ray_y, camera[0], camera[1], search[0], search[9]):
            continue
        kept = 0
        for s in range(state.view_cost.shape[2]):
            cost = view_cost(problem, scratch, s, px, py, w, gx, gy)
            if k == 0:
                state.view_cost[y, x, s] = np.uint16(cost * COST_SCALE + _HALF)
            if cost < ABSENT:
                kept = keep_least(scratch.weights, views, cost, kept)
        total = np.float32(0.0)
        for slot in range(kept):
            total += scratch.weights[slot]
        total = combined_cost(problem, total / np.float32(views), np.float32(kept) / np.float32(views))
        if total < best:
            best = total
            if k > 0:
                store(problem, state, scratch, x, y, w, gx, gy)
            else:
                state.plane[y, x, 0], state.plane[y, x, 1], state.plane[y, x, 2] = w, gx, gy
    state.cost[y, x] = best


@kernel
def perturbed(
    stream: np.uint32,
    draw: int,
    kind: int,
    w: np.float32,
    gx: np.float32,
    gy: np.float32,
    step: np.float32,
    tilt: np.float32,
) -> tuple[np.float32, np.float32, np.float32]:
    """The plane (w, gx, gy), moved at random by up to `step` (kind 0), tilted by up to `tilt` (1), or both (2)."""
    if kind != 1:
        w += step * signed(stream, draw)
    if kind != 0:
        gx += tilt * signed(stream, draw + 1)
        gy += tilt * signed(stream, draw + 2)
    return w, gx, gy


@kernel
def plane_of(state: State, neighbour: int, x: int, y: int) -> tuple[np.float32, np.float32, np.float32]:
    """The plane of the pixel with flat index `neighbour`, moved to (x, y)."""
    width = state.plane.shape[1]
    row = neighbour // width
    column = neighbour - row * width
    gx = state.plane[row, column, 1]
    gy = state.plane[row, column, 2]
    return state.plane[row, column, 0] + gx * np.float32(x - column) + gy * np.float32(y - row), gx, gy


@kernel
def refine_depth(
    problem: Problem,
    scratch: Scratch,
    used: int,
    px: np.float32,
    py: np.float32,
    w: np.float32,
    gx: np.float32,
    gy: np.float32,
    cost: np.float32,
    step: np.float32,
) -> tuple[np.float32, np.float32]:
    """Inverse depth at the vertex of the parabola through the costs a `step` apart, and its cost, if that is less.

    The plane keeps its slope; where a side of it is cheaper, the parabola is laid around that side.
    """
    ahead = plane_cost(problem, scratch, used, px, py, w + step, gx, gy, _UNBOUNDED)
    behind = plane_cost(problem, scratch, used, px, py, w - step, gx, gy, _UNBOUNDED)
    if behind < ahead:
        ahead, behind, step = behind, ahead, -step
    if ahead < cost:
        w, cost, behind = w + step, ahead, cost
        ahead = plane_cost(problem, scratch, used, px, py, w + step, gx, gy, _UNBOUNDED)
    if ahead < cost:
        return w + step, ahead
    curvature = ahead + behind - cost - cost
    if curvature < _LEAST_CURVATURE:
        return w, cost
    vertex = w + step * _HALF * (behind - ahead) / curvature
    vertex_cost = plane_cost(problem, scratch, used, px, py, vertex, gx, gy, cost)
    if vertex_cost < cost:
        return vertex, vertex_cost
    return w, cost


@kernel
def visit_pixel(
    problem: Problem,
    state: State,
    sweep: Sweep,
    scratch: Scratch,
    x: int,
    y: int,
) -> None:
    """Improve the plane of pixel (x, y)."""
    if problem.usable[y, x] == 0:
        return
    search = problem.search
    width = problem.grey.shape[1]
    px = np.float32(x) + _HALF
    py = np.float32(y) + _HALF
    fx, fy = problem.camera[0], problem.camera[1]
    ray_x = (px - problem.camera[2]) / fx
    ray_y = (py - problem.camera[3]) / fy
    used = choose_sources(state, scratch, x, y, sweep.views)
    best = stored_cost(problem, state, scratch, used, x, y)
    w, gx, gy = state.plane[y, x, 0], state.plane[y, x, 1], state.plane[y, x, 2]
    load_reference(problem, scratch.patch, x, y)
    shift = _ONE / search[2]
    # Only planes that are offered come nearer than the range: on a plain sky, where nothing tells, the others would.
    w_most = max(search[1], w)
    changed = False
    stream = hash32(np.uint32(sweep.stream) ^ hash32(np.uint32(y * width + x)))
    regions = 8 if sweep.far else 4
    trials = regions + sweep.draws + sweep.perturbations
    for trial in range(trials):
        if trial < regions:
            neighbour = best_neighbour(state.cost, x, y, trial & 3, trial >= 4)
            if neighbour < 0:
                continue
            tw, tx, ty = plane_of(state, neighbour, x, y)
            change = abs(tw - w) + search[7] * (abs(tx - gx) + abs(ty - gy))
            if change * shift < _SAME_PX:
                continue
        elif trial < regions + sweep.draws:
            tw = search[0] + (search[1] - search[0]) * uniform(stream, trial * 3)
            slope = tw / fx
            tx = slope * signed(stream, trial * 3 + 1)
            ty = slope * signed(stream, trial * 3 + 2)
        else:
            kind, step = (trial - regions - sweep.draws) % 3, sweep.step_px * search[2]
            tw, tx, ty = perturbed(stream, trial * 3, kind, w, gx, gy, step, step / search[7])
        if not is_visible(tw, tx, ty, ray_x, ray_y, fx, fy, search[0], w_most):
            continue
        cost = plane_cost(problem, scratch, used, px, py, tw, tx, ty, best)
        if cost < best:
            best, w, gx, gy = cost, tw, tx, ty
            changed = True
    if sweep.parabola_px > np.float32(0.0):
        step = sweep.parabola_px * search[2]
        tw, cost = refine_depth(problem, scratch, used, px, py, w, gx, gy, best, step)
        if cost < best and is_visible(tw, gx, gy, ray_x, ray_y, fx, fy, search[0], w_most):
            best, w = cost, tw
            changed = True
    state.cost[y, x] = best
    if changed:
        store(problem, state, scratch, x, y, w, gx, gy)
