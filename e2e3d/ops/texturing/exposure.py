"""Exposure compensation from faces that several photographs see: a gain for each, the falloff of each lens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.texturing.candidates import Candidates
from e2e3d.ops.texturing.falloff import TERMS, log_falloff
from e2e3d.ops.texturing.median import median_of

SAMPLES = 50_000
DARKEST, BRIGHTEST = 8, 247
ITERATIONS = 6
CAUCHY_SCALE = 0.08
MAX_LOG_GAIN = 1.5
PRIOR = 0.1  # weight of gain 1 over that of a photograph's neighbours
FREE = 1e-3  # the same while the falloff is estimated, which would compensate for damped gains
FALLOFF_PRIOR = 5e-5  # for no falloff, a pair of colours: decides where all photographs see a place at the same radius
LEAST_LOSS, MOST_LOSS = 0.03, 1.0  # in a corner, logarithms


def sampled_faces(face_count: int) -> NDArray[np.int64]:
    """The faces int64 [M], evenly spread, from which the exposure is estimated."""
    return np.arange(0, face_count, max(1, face_count // SAMPLES))


def estimate_exposure(
    candidates: Candidates, chosen: NDArray[np.int64], squared_radius: NDArray[np.float32], lens: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gains float64 [N, 3] and falloffs float64 [N, 3] that make the colours of each face agree.

    Robust least squares on log colours: each face has one unknown colour, which is eliminated, each view one gain a
    channel, each lens a falloff for all channels. Clipped colours do not count; Cauchy weights discount glare and
    errors of the surface. A prior for a gain of 1, as in Brown and Lowe (IJCV 2007), keeps small errors from adding up
    along a chain of photographs: neighbours still agree, far ones are left to the levelling of seams. A falloff too
    small to be seen is none. The geometric mean of the gains is 1.

    Args:
        candidates: in any order.
        chosen: int64 [M] of :func:`sampled_faces`.
        squared_radius: float32 [M, K] of :func:`~e2e3d.ops.texturing.falloff.squared_radii`.
        lens: int64 [N] of :func:`~e2e3d.ops.texturing.falloff.lenses`.
    """
    views = len(lens)
    log_gain, falloff = np.zeros((views, 3)), np.zeros((max(0, int(lens.max(initial=-1))) + 1, TERMS))
    table = np.log(np.maximum(np.arange(256), 1.0) / 255)
    for _ in range(ITERATIONS):
        normal, right, pairs = _normal_equations(
            candidates.view, candidates.colour, chosen, squared_radius, lens, log_gain, falloff, table
        )
        gains, cross = normal[:views, :views], normal[:views, views:]
        prior = max(1.0, float(np.trace(gains)) / views) * np.eye(views)
        free = np.linalg.solve(gains + FREE * prior, np.concatenate([cross, right[:views]], 1))
        schur = 3 * (normal[views:, views:] - cross.T @ free[:, :-3])
        falloff = _solve_falloff(schur, (right[views:] - cross.T @ free[:, -3:]).sum(1), 3 * FALLOFF_PRIOR * pairs)
        log_gain = np.linalg.solve(gains + PRIOR * prior, right[:views] - (cross @ falloff.ravel())[:, None])
        log_gain = np.clip(log_gain - log_gain.mean(0), -MAX_LOG_GAIN, MAX_LOG_GAIN)
    return np.exp(log_gain), np.where((lens >= 0)[:, None], falloff[lens], 0.0)


def _solve_falloff(normal: NDArray[np.float64], right: NDArray[np.float64], damping: float) -> NDArray[np.float64]:
    """Coefficients [L, 3] that are not negative and lose a sensible share."""
    from scipy.optimize import nnls

    if damping == 0:
        return np.zeros((len(right) // TERMS, TERMS))
    lower = np.linalg.cholesky(normal + damping * np.eye(len(normal)))
    falloff = nnls(lower.T, np.linalg.solve(lower, right))[0].reshape(-1, TERMS)
    total = falloff.sum(1, keepdims=True)
    return np.where(total < LEAST_LOSS, 0.0, falloff * np.minimum(1, MOST_LOSS / np.maximum(total, LEAST_LOSS)))


@njit(cache=True)
def _normal_equations(views, colours, chosen, squared_radius, lens, log_gain, falloff, table):  # type: ignore[no-untyped-def]  # noqa: C901
    """Normal equations [U, U] and [U, 3] of the gains and then the falloffs, colours eliminated; and their weight."""
    count, size = len(log_gain), views.shape[1]
    unknowns = count + TERMS * len(falloff)
    normal, right = np.zeros((unknowns, unknowns)), np.zeros((unknowns, 3))
    place, term = np.zeros((size, 1 + TERMS), np.int64), np.zeros((size, 1 + TERMS))
    value, evened, ordered, weight = np.zeros((size, 3)), np.zeros(size), np.zeros(size), np.zeros(size)
    everything = 0.0
    for m in range(len(chosen)):
        n = 0
        for k in range(size):
            f, i = chosen[m], views[chosen[m], k]
            red, green, blue = colours[f, k, 0], colours[f, k, 1], colours[f, k, 2]
            low, high = min(red, green, blue), max(red, green, blue)
            if i < 0 or low < DARKEST or high > BRIGHTEST:
                continue
            place[n, 0], term[n, 0] = i, 1.0
            power = 1.0 if lens[i] >= 0 else 0.0
            for t in range(TERMS):
                power *= squared_radius[m, k]
                place[n, 1 + t], term[n, 1 + t] = count + TERMS * max(lens[i], 0) + t, power
            for c in range(3):
                value[n, c] = table[colours[f, k, c]]
            n += 1
        if n < 2:
            continue
        for k in range(n):
            weight[k] = 0
        for c in range(3):
            for k in range(n):
                evened[k] = value[k, c] + log_gain[place[k, 0], c]
                if lens[place[k, 0]] >= 0:
                    evened[k] += log_falloff(falloff[lens[place[k, 0]]], term[k, 1])
                ordered[k] = evened[k]
            centre = median_of(ordered, n)
            for k in range(n):
                weight[k] += (evened[k] - centre) ** 2
        total = 0.0
        for k in range(n):
            weight[k] = 1 / (1 + weight[k] / (3 * CAUCHY_SCALE**2))
            total += weight[k]
        everything += total
        for c in range(3):
            mean = 0.0
            for k in range(n):
                mean += weight[k] * value[k, c] / total
            for k in range(n):
                for a in range(1 + TERMS):
                    right[place[k, a], c] -= weight[k] * term[k, a] * (value[k, c] - mean)
        for k in range(n):
            for j in range(n):
                both = weight[k] * (int(j == k) - weight[j] / total)
                for a in range(1 + TERMS):
                    for b in range(1 + TERMS):
                        normal[place[k, a], place[j, b]] += both * term[k, a] * term[j, b]
    return normal, right, everything
