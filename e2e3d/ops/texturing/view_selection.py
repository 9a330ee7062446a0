"""One view for each face: quality against seams, as a Markov random field over the faces.

The energy is Waechter's (a data term per face, a Potts term per shared edge), the data term the logarithm of how much
worse a view is than the face's best. Solved by sequential tree-reweighted message passing (Kolmogorov, "Convergent
Tree-Reweighted Message Passing for Energy Minimization", TPAMI 2006); then charts too small to be worth their seams are
given to a neighbour's view where the energy allows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.texturing.adjacency import Edge, connected_parts
from e2e3d.ops.texturing.candidates import Candidates

SMOOTHNESS = 1.0
MAX_COST = 4.0
SWEEPS = 10
SMALL_CHART_FACES = 60
MERGE_ROUNDS = 4


def select_views(candidates: Candidates, neighbours: NDArray[np.int32], slots: NDArray[np.int8]) -> NDArray[np.int32]:
    """View int32 [F] of each face, -1 for a face without candidates.

    Args:
        candidates: rows sorted by view, as :func:`~e2e3d.ops.texturing.candidates.keep_consistent` leaves them.
        neighbours: int32 [F, 3] of :func:`~e2e3d.ops.texturing.adjacency.face_adjacency`.
        slots: int8 [F, 3] of :func:`~e2e3d.ops.texturing.adjacency.opposite_slots`.
    """
    count = (candidates.view >= 0).sum(1).astype(np.int8)
    best = np.maximum(candidates.quality.max(1, keepdims=True), 1e-20)
    cost = np.minimum(-np.log(np.maximum(candidates.quality / best, 1e-20)), MAX_COST).astype(np.float32)
    choice = _message_passing(candidates.view, cost, count, neighbours, slots, SMOOTHNESS, SWEEPS)
    label = np.where(count > 0, np.take_along_axis(candidates.view, choice[:, None], 1)[:, 0], -1).astype(np.int32)
    for _ in range(MERGE_ROUNDS):
        part, part_count = connected_parts(neighbours, label)
        members = np.argsort(part, kind="stable")
        start = np.searchsorted(part[members], np.arange(part_count + 1))
        if _merge_small(label, part, members, start, candidates.view, cost, neighbours, SMALL_CHART_FACES) == 0:
            break
    return label


@njit(cache=True)
def _message_passing(views, cost, count, neighbours, slots, smoothness, sweeps):  # type: ignore[no-untyped-def]  # noqa: C901
    """Index int64 [F] of the chosen candidate; ``message[f, k]`` is that of neighbour k to f."""
    faces, size = views.shape
    message = np.zeros((faces, 3, size), np.float32)
    choice = np.zeros(faces, np.int64)
    belief = np.zeros(size, np.float32)
    for sweep in range(2 * sweeps):
        forward = sweep % 2 == 0
        for step in range(faces):
            f = step if forward else faces - 1 - step
            n = count[f]
            if n == 0:
                continue
            before, after = 0, 0
            for k in range(3):
                g = neighbours[f, k]
                if g >= 0 and count[g] > 0:
                    before += g < f
                    after += g > f
            for i in range(n):
                belief[i] = cost[f, i] + message[f, 0, i] + message[f, 1, i] + message[f, 2, i]
            share = np.float32(1.0 / max(before, after, 1))
            for k in range(3):
                g = neighbours[f, k]
                if g < 0 or count[g] == 0 or (g > f) != forward:
                    continue
                _send(views, message, belief, share, smoothness, Edge(f, k, g, slots[f, k]), n, count[g])
    for f in range(faces):
        n = count[f]
        best = np.float32(1e30)
        for i in range(n):
            value = cost[f, i]
            for k in range(3):
                g = neighbours[f, k]
                if g < 0 or count[g] == 0:
                    continue
                if g > f:
                    value += message[f, k, i]
                elif views[g, choice[g]] != views[f, i]:
                    value += smoothness
            if value < best:
                best = value
                choice[f] = i
    return choice


@njit(cache=True)
def _send(views, message, belief, share, smoothness, edge, n, m):  # type: ignore[no-untyped-def]
    """A face's message to its neighbour under the Potts term; `n` and `m` are the numbers of their candidates.

    Both candidate lists are sorted by view, so a merge finds equals.
    """
    f, k, g, slot = edge
    low = np.float32(1e30)
    for i in range(n):
        low = min(low, share * belief[i] - message[f, k, i])
    i = 0
    least = np.float32(1e30)
    for j in range(m):
        while i < n and views[f, i] < views[g, j]:
            i += 1
        value = low + np.float32(smoothness)
        if i < n and views[f, i] == views[g, j]:
            value = min(value, share * belief[i] - message[f, k, i])
        message[g, slot, j] = value
        least = min(least, value)
    for j in range(m):
        message[g, slot, j] -= least


@njit(cache=True)
def _merge_small(label, part, members, start, views, cost, neighbours, small):  # type: ignore[no-untyped-def]
    """Relabel charts of fewer than `small` faces where a neighbour's view serves all their faces; returns how many.

    The faces of chart p are ``members[start[p] : start[p + 1]]``.

    A chart pays the data cost of the change and saves its border, each small chart a fixed amount more for the padding
    and the levelling that it costs in the atlas.
    """
    changed = 0
    for p in range(len(start) - 1):
        if start[p + 1] - start[p] >= small:
            continue
        faces = members[start[p] : start[p + 1]]
        own = label[faces[0]]
        best_view, best_gain = -1, 0.0
        for f in faces:
            for k in range(3):
                g = neighbours[f, k]
                if g < 0 or part[g] == p or label[g] < 0 or label[g] == own or label[g] == best_view:
                    continue
                gain = _merge_gain(faces, p, own, label[g], label, part, views, cost, neighbours)
                if gain > best_gain:
                    best_view, best_gain = label[g], gain
        if best_view >= 0:
            for f in faces:
                label[f] = best_view
            changed += 1
    return changed


@njit(cache=True)
def _merge_gain(faces, p, own, view, label, part, views, cost, neighbours):  # type: ignore[no-untyped-def]
    """Energy saved when the faces of part p go from view `own` to `view`; -inf when one of them cannot."""
    gain = 8.0
    for f in faces:
        found = False
        for i in range(views.shape[1]):
            if views[f, i] == view:
                gain -= cost[f, i]
                found = True
            elif views[f, i] == own:
                gain += cost[f, i]
        if not found:
            return -np.inf
        for k in range(3):
            g = neighbours[f, k]
            if g >= 0 and part[g] != p and label[g] >= 0:
                gain += int(label[g] == view) - int(label[g] == own)
    return gain
