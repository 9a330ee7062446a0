"""One visit of one pixel: propagation from the other colour of the checkerboard, perturbed or refined planes.

After ACMH (Xu and Tao, CVPR 2019): each of eight regions around the pixel
proposes its best plane. Everything that a
visit reads from other pixels belongs to the other colour or is constant, so visits of one colour may run in any order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.stereo.correlation import FINE, WIDE, load_patch
from e2e3d.ops.stereo.hypothesis import ABSENT, choose_sources, combined_cost, plane_cost, view_cost
from e2e3d.ops.stereo.jit import kernel
from e2e3d.ops.stereo.planes import Plane, is_visible, ray_through
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
    enough = problem.search.fine_variance
    if enough > np.float32(0.0) and load_patch(problem, patch, FINE, x, y) >= enough:
        return
    load_patch(problem, patch, WIDE, x, y)


@kernel
def plane_at(state: State, x: int, y: int) -> Plane:
    """The present plane of pixel (x, y)."""
    return Plane(state.plane[y, x, 0], state.plane[y, x, 1], state.plane[y, x, 2])


@kernel
def store(problem: Problem, state: State, scratch: Scratch, x: int, y: int, plane: Plane) -> None:
    """Make `plane` that of pixel (x, y) and evaluate it in every source."""
    state.plane[y, x, 0], state.plane[y, x, 1], state.plane[y, x, 2] = plane.w, plane.gx, plane.gy
    px = np.float32(x) + _HALF
    py = np.float32(y) + _HALF
    for s in range(state.view_cost.shape[2]):
        cost = view_cost(problem, scratch, s, px, py, plane)
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
    ray = ray_through(camera, px, py)
    load_reference(problem, scratch.patch, x, y)
    best = np.float32(np.inf)
    for k in range(starts.shape[2]):
        plane = Plane(starts[y, x, k, 0], starts[y, x, k, 1], starts[y, x, k, 2])
        if k > 0 and not is_visible(plane, ray, camera, search.w_min, search.w_limit):
            continue
        kept = 0
        for s in range(state.view_cost.shape[2]):
            cost = view_cost(problem, scratch, s, px, py, plane)
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
                store(problem, state, scratch, x, y, plane)
            else:
                state.plane[y, x, 0], state.plane[y, x, 1], state.plane[y, x, 2] = plane.w, plane.gx, plane.gy
    state.cost[y, x] = best


@kernel
def perturbed(
    stream: np.uint32,
    draw: int,
    kind: int,
    plane: Plane,
    step: np.float32,
    tilt: np.float32,
) -> Plane:
    """A plane moved at random by up to `step` (kind 0), tilted by up to `tilt` (1), or both (2)."""
    w, gx, gy = plane
    if kind != 1:
        w += step * signed(stream, draw)
    if kind != 0:
        gx += tilt * signed(stream, draw + 1)
        gy += tilt * signed(stream, draw + 2)
    return Plane(w, gx, gy)


@kernel
def plane_of_neighbour(state: State, neighbour: int, x: int, y: int) -> Plane:
    """The plane of the pixel with flat index `neighbour`, moved to (x, y)."""
    width = state.plane.shape[1]
    row = neighbour // width
    column = neighbour - row * width
    there = plane_at(state, column, row)
    w = there.w + there.gx * np.float32(x - column) + there.gy * np.float32(y - row)
    return Plane(w, there.gx, there.gy)


@kernel
def refine_depth(
    problem: Problem,
    scratch: Scratch,
    used: int,
    px: np.float32,
    py: np.float32,
    plane: Plane,
    cost: np.float32,
    step: np.float32,
) -> tuple[np.float32, np.float32]:
    """Inverse depth at the vertex of the parabola through the costs a `step` apart, and its cost, if that is less.

    The plane keeps its slope; where a side of it is cheaper, the parabola is laid around that side.
    """
    w, gx, gy = plane
    ahead = plane_cost(problem, scratch, used, px, py, Plane(w + step, gx, gy), _UNBOUNDED)
    behind = plane_cost(problem, scratch, used, px, py, Plane(w - step, gx, gy), _UNBOUNDED)
    if behind < ahead:
        ahead, behind, step = behind, ahead, -step
    if ahead < cost:
        w, cost, behind = w + step, ahead, cost
        ahead = plane_cost(problem, scratch, used, px, py, Plane(w + step, gx, gy), _UNBOUNDED)
    if ahead < cost:
        return w + step, ahead
    curvature = ahead + behind - cost - cost
    if curvature < _LEAST_CURVATURE:
        return w, cost
    vertex = w + step * _HALF * (behind - ahead) / curvature
    vertex_cost = plane_cost(problem, scratch, used, px, py, Plane(vertex, gx, gy), cost)
    if vertex_cost < cost:
        return vertex, vertex_cost
    return w, cost


@kernel
def proposed_plane(
    problem: Problem, state: State, sweep: Sweep, plane: Plane, trial: int, x: int, y: int
) -> tuple[bool, Plane]:
    """Plane number `trial` to try at pixel (x, y) beside its `plane`, and whether it is worth an evaluation.

    The planes of neighbouring regions come first, then planes drawn from the whole range, then perturbed ones.
    """
    search = problem.search
    regions = 8 if sweep.far else 4
    if trial < regions:
        neighbour = best_neighbour(state.cost, x, y, trial & 3, trial >= 4)
        if neighbour < 0:
            return False, plane
        other = plane_of_neighbour(state, neighbour, x, y)
        tilt = abs(other.gx - plane.gx) + abs(other.gy - plane.gy)
        change = abs(other.w - plane.w) + search.radius_px * tilt
        return change * (_ONE / search.inverse_shift) >= _SAME_PX, other
    stream = hash32(np.uint32(sweep.stream) ^ hash32(np.uint32(y * problem.grey.shape[1] + x)))
    if trial < regions + sweep.draws:
        w = search.w_min + (search.w_max - search.w_min) * uniform(stream, trial * 3)
        slope = w / problem.camera.fx
        return True, Plane(w, slope * signed(stream, trial * 3 + 1), slope * signed(stream, trial * 3 + 2))
    kind, step = (trial - regions - sweep.draws) % 3, sweep.step_px * search.inverse_shift
    return True, perturbed(stream, trial * 3, kind, plane, step, step / search.radius_px)


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
    search, camera = problem.search, problem.camera
    px = np.float32(x) + _HALF
    py = np.float32(y) + _HALF
    ray = ray_through(camera, px, py)
    used = choose_sources(state, scratch, x, y, sweep.views)
    best = stored_cost(problem, state, scratch, used, x, y)
    plane = plane_at(state, x, y)
    load_reference(problem, scratch.patch, x, y)
    # Only candidate planes may come nearer than the range: on a plain sky, without evidence, drawn planes would.
    w_most = max(search.w_max, plane.w)
    changed = False
    for trial in range((8 if sweep.far else 4) + sweep.draws + sweep.perturbations):
        worth, other = proposed_plane(problem, state, sweep, plane, trial, x, y)
        if not worth or not is_visible(other, ray, camera, search.w_min, w_most):
            continue
        cost = plane_cost(problem, scratch, used, px, py, other, best)
        if cost < best:
            best, plane, changed = cost, other, True
    if sweep.parabola_px > np.float32(0.0):
        step = sweep.parabola_px * search.inverse_shift
        w, cost = refine_depth(problem, scratch, used, px, py, plane, best, step)
        refined = Plane(w, plane.gx, plane.gy)
        if cost < best and is_visible(refined, ray, camera, search.w_min, w_most):
            best, plane, changed = cost, refined, True
    state.cost[y, x] = best
    if changed:
        store(problem, state, scratch, x, y, plane)
