"""One gain per photograph and channel that evens out exposure and white balance, from what several photographs see."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.texturing.candidates import Candidates

DARKEST, BRIGHTEST = 8, 247
ITERATIONS = 4
CAUCHY_SCALE = 0.08
MAX_LOG_GAIN = 1.5
PRIOR = 0.1  # weight of gain 1 over that of a photograph's neighbours


def estimate_gains(candidates: Candidates, view_count: int) -> NDArray[np.float64]:
    """Gains float64 [views, 3] that make the colours of each face agree; their geometric mean over the views is 1.

    Robust least squares on log colours: each face has one unknown colour, which is eliminated, and each view one gain
    a channel. Clipped colours do not count; Cauchy weights discount glare and errors of the surface. A prior for a gain
    of 1, as in Brown and Lowe (IJCV 2007), keeps small errors from adding up along a chain of photographs: neighbours
    still agree, far ones are left to the levelling of seams.
    """
    log_gain = np.zeros((view_count, 3))
    for _ in range(ITERATIONS):
        normal, right = _normal_equations(candidates.view, candidates.colour, log_gain)
        for c in range(3):
            damping = PRIOR * max(1.0, float(np.trace(normal[c])) / view_count)
            log_gain[:, c] = np.linalg.solve(normal[c] + damping * np.eye(view_count), right[c])
        log_gain = np.clip(log_gain - log_gain.mean(0), -MAX_LOG_GAIN, MAX_LOG_GAIN)
    return np.exp(log_gain)


@numba.njit(cache=True)
def _normal_equations(views, colours, log_gain):  # type: ignore[no-untyped-def]  # noqa: C901
    """Normal equations [3, n, n] and [3, n] of the gains, with every face's colour eliminated."""
    count, size = len(log_gain), views.shape[1]
    normal = np.zeros((3, count, count))
    right = np.zeros((3, count))
    members = np.zeros(size, np.int64)
    value = np.zeros((size, 3))
    weight = np.zeros(size)
    table = np.log(np.maximum(np.arange(256), 1.0) / 255)
    step = max(1, len(views) // 100000)
    for f in range(0, len(views), step):
        n = 0
        for k in range(size):
            low = min(colours[f, k, 0], colours[f, k, 1], colours[f, k, 2])
            high = max(colours[f, k, 0], colours[f, k, 1], colours[f, k, 2])
            if views[f, k] >= 0 and low >= DARKEST and high <= BRIGHTEST:
                members[n] = views[f, k]
                for c in range(3):
                    value[n, c] = table[colours[f, k, c]]
                n += 1
        if n < 2:
            continue
        weight[:n] = 0
        for c in range(3):
            evened = np.empty(n)
            for k in range(n):
                evened[k] = value[k, c] + log_gain[members[k], c]
            centre = np.median(evened)
            for k in range(n):
                weight[k] += (evened[k] - centre) ** 2
        total = 0.0
        for k in range(n):
            weight[k] = 1 / (1 + weight[k] / (3 * CAUCHY_SCALE**2))
            total += weight[k]
        for c in range(3):
            mean = 0.0
            for k in range(n):
                mean += weight[k] * value[k, c] / total
            for k in range(n):
                i = members[k]
                right[c, i] -= weight[k] * (value[k, c] - mean)
                normal[c, i, i] += weight[k]
                for j in range(n):
                    normal[c, i, members[j]] -= weight[k] * weight[j] / total
    return normal, right
