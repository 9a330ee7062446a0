"""Which photographs show the face itself, and not something in front of it: outlier rejection over the whole mesh.

Glare, shadows and passers-by show in a minority of the photographs of a place, but not everywhere: one person may stand
before a place that only two photographs see. So each face gets a few hypotheses, groups of photographs that agree. A
hypothesis costs by the votes it lacks, and where a photograph is a member in one face and not in the next although it
looks the same in both: the outline of a passer-by is an edge in the photographs that show the person and in no other,
so the cheapest labelling follows it. Waechter et al. (ECCV 2014) reject outliers face by face; the smoothness follows
Boykov and Jolly (ICCV 2001), and the message passing is Kolmogorov's (TPAMI 2006).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.row_kernels import over_rows
from e2e3d.ops.texturing.adjacency import Edge
from e2e3d.ops.texturing.candidates import Candidates
from e2e3d.ops.texturing.median import median_of

MAX_HYPOTHESES = 4
LIMIT_FLOOR, LIMIT_SIGMAS, LIMIT_MOST = 14.0, 4.0, 40.0
PAIR_LIMIT = 30.0  # two photographs are not enough to separate noise from a contradiction
CONTRAST_SHARE = 0.7  # of the local contrast, which blur and errors of the surface turn into differences
VOTE = 3.0
GLARE = 1.5  # highlights only ever add light
EDGE_LEVELS = 16.0
SWEEPS = 10


class _Hypotheses(NamedTuple):
    """Groups of photographs that agree on a face.

    Attributes:
        members: uint16 [F, H], bit k = the candidate in place k.
        cost: float32 [F, H]; `used` int8 [F], how many hypotheses a face has.
    """

    members: NDArray[np.uint16]
    cost: NDArray[np.float32]
    used: NDArray[np.int8]


class _Shared(NamedTuple):
    """Room for the photographs that two faces share, up to K.

    Attributes:
        place: int64 [2, K], their places among the candidates of either face.
        weight: float32 [K], how well they continue across the edge.
    """

    place: NDArray[np.int64]
    weight: NDArray[np.float32]


def consistent_candidates(
    candidates: Candidates, gain: NDArray[np.float64], neighbours: NDArray[np.int32], slots: NDArray[np.int8]
) -> NDArray[np.bool_]:
    """Which candidates show the face itself: bool [F, K], False in empty places.

    Args:
        candidates: in any order.
        gain: float64 [views, 3], which evens out the photographs.
        neighbours: int32 [F, 3] of :func:`~e2e3d.ops.texturing.adjacency.face_adjacency`.
        slots: int8 [F, 3] of :func:`~e2e3d.ops.texturing.adjacency.opposite_slots`.
    """
    factor = gain.astype(np.float32)
    colour = np.where((candidates.view >= 0)[..., None], candidates.colour * factor[candidates.view], np.float32(-1))
    centre, limit = np.full((len(colour), 3), -1, np.float32), np.zeros(len(colour), np.float32)
    _centres(colour, centre, limit)
    _adapt_limits(limit, centre, neighbours)
    shape = (len(colour), MAX_HYPOTHESES)
    hypotheses = _Hypotheses(np.zeros(shape, np.uint16), np.zeros(shape, np.float32), np.ones(len(colour), np.int8))
    _find_hypotheses(colour, centre, limit, hypotheses)
    message = np.zeros((len(colour), 3, MAX_HYPOTHESES), np.float32)
    choice = _message_passing(candidates.view, colour, centre, hypotheses, message, neighbours, slots)
    chosen = hypotheses.members[np.arange(len(colour)), choice]
    return np.asarray(chosen[:, None] >> np.arange(candidates.view.shape[1], dtype=np.uint16) & 1, bool)


@over_rows
def _centres(first, end, colour, centre, limit):  # type: ignore[no-untyped-def]
    """Median colour float32 [F, 3] of each face, and how far from it float32 [F] a photograph may be."""
    values = np.empty(colour.shape[1], np.float32)
    for f in range(first, end):
        n = 0
        for c in range(3):
            n = 0
            for k in range(colour.shape[1]):
                if colour[f, k, 0] >= 0:
                    values[n] = colour[f, k, c]
                    n += 1
            if n > 0:
                centre[f, c] = median_of(values, n)
        if n == 0:
            continue
        n = 0
        for k in range(colour.shape[1]):
            if colour[f, k, 0] >= 0:
                values[n] = _distance(colour[f, k], centre[f])
                n += 1
        limit[f] = PAIR_LIMIT if n == 2 else max(LIMIT_FLOOR, LIMIT_SIGMAS * float(median_of(values, n)))


@over_rows
def _adapt_limits(first, end, limit, centre, neighbours):  # type: ignore[no-untyped-def]
    """Let the limits [F] grow with the contrast to the faces around, in place."""
    for f in range(first, end):
        contrast = np.float32(0)
        for k in range(3):
            g = neighbours[f, k]
            if g >= 0 and centre[g, 0] >= 0:
                contrast = max(contrast, _distance(centre[f], centre[g]))
        limit[f] = min(max(limit[f], CONTRAST_SHARE * contrast), LIMIT_MOST)


@over_rows
def _find_hypotheses(first, end, colour, centre, limit, hypotheses):  # type: ignore[no-untyped-def]
    """Groups of candidates that agree, and what each costs, in place."""
    members, cost, count = hypotheses
    mean, votes = np.empty((MAX_HYPOTHESES, 3), np.float32), np.empty(MAX_HYPOTHESES, np.float32)
    for f in range(first, end):
        present, one = 0, 0
        for k in range(colour.shape[1]):
            if colour[f, k, 0] >= 0:
                present, one = present + 1, one if present else k
        if present == 0:
            continue
        # Of two photographs neither is the middle one.
        middle = colour[f, one] if present == 2 else centre[f]
        members[f, 0], _ = _group(colour[f], middle, limit[f])
        left = np.uint16(0)
        for k in range(colour.shape[1]):
            if colour[f, k, 0] >= 0 and not members[f, 0] >> k & 1:
                left |= np.uint16(1 << k)
        while left and count[f] < MAX_HYPOTHESES:
            most, best = 0, np.uint16(0)
            for k in range(colour.shape[1]):
                if left >> k & 1:
                    group, found = _group(colour[f], colour[f, k], limit[f])
                    if found > most:
                        most, best = found, group
            members[f, count[f]] = best
            left &= ~best
            count[f] += 1
        if count[f] > 1:
            _set_costs(colour[f], members[f], cost[f], count[f], mean, votes)


@njit(cache=True)
def _distance(a, b):  # type: ignore[no-untyped-def]
    return max(abs(a[0] - b[0]), abs(a[1] - b[1]), abs(a[2] - b[2]))


@njit(cache=True)
def _group(colour, centre, limit):  # type: ignore[no-untyped-def]
    """The colours [K, 3] near the centre (negative = empty place), as a bit set of their places, and how many."""
    group, votes = np.uint16(0), 0
    for k in range(len(colour)):
        if colour[k, 0] >= 0 and _distance(colour[k], centre) <= limit:
            group |= np.uint16(1 << k)
            votes += 1
    return group, votes


@njit(cache=True)
def _set_costs(colour, members, cost, count, mean, votes):  # type: ignore[no-untyped-def]
    """The cost of each hypothesis of a face, in place: for the votes it lacks, and for being the brighter one.

    `mean` [H, 3] and `votes` [H] are memory to work in.
    """
    most = np.float32(0)
    for h in range(count):
        votes[h], mean[h, 0], mean[h, 1], mean[h, 2] = 0, 0, 0, 0
        for k in range(len(colour)):
            if members[h] >> k & 1:
                votes[h] += 1
                for c in range(3):
                    mean[h, c] += colour[k, c]
        for c in range(3):
            mean[h, c] /= max(votes[h], np.float32(1))
        most = max(most, votes[h])
    for h in range(count):
        cost[h] = VOTE * math.log((most + 0.5) / (votes[h] + 0.5))
        for o in range(count):
            if min(mean[h, 0] - mean[o, 0], mean[h, 1] - mean[o, 1], mean[h, 2] - mean[o, 2]) > LIMIT_FLOOR:
                cost[h] += GLARE
                break


@njit(cache=True)
def _message_passing(views, colour, centre, hypotheses, message, neighbours, slots):  # type: ignore[no-untyped-def]  # noqa: C901
    """Index int64 [F] of the chosen hypothesis; ``message[f, k]`` is that of neighbour k to f."""
    members, cost, count = hypotheses
    faces = len(count)
    choice = np.zeros(faces, np.int64)
    belief = np.zeros(MAX_HYPOTHESES, np.float32)
    links = _Shared(np.zeros((2, views.shape[1]), np.int64), np.zeros(views.shape[1], np.float32))
    for f in range(faces):
        for k in range(3):
            g = neighbours[f, k]
            if g >= 0 and slots[f, k] >= 0 and count[f] == 1 and count[g] > 1:
                shared = _links(views, colour, centre, f, g, links)
                _send(hypotheses, message, belief, np.float32(1), Edge(f, k, g, slots[f, k]), shared, links)
    for sweep in range(2 * SWEEPS):
        forward = sweep % 2 == 0
        for step in range(faces):
            f = step if forward else faces - 1 - step
            if count[f] == 1:
                continue
            before, after = 0, 0
            for k in range(3):
                g = neighbours[f, k]
                if g >= 0 and slots[f, k] >= 0 and count[g] > 1:
                    before += g < f
                    after += g > f
            for i in range(count[f]):
                belief[i] = cost[f, i] + message[f, 0, i] + message[f, 1, i] + message[f, 2, i]
            share = np.float32(1.0 / max(before, after, 1))
            for k in range(3):
                g = neighbours[f, k]
                if g < 0 or slots[f, k] < 0 or count[g] == 1 or (g > f) != forward:
                    continue
                shared = _links(views, colour, centre, f, g, links)
                _send(hypotheses, message, belief, share, Edge(f, k, g, slots[f, k]), shared, links)
    for f in range(faces):
        if count[f] == 1:
            continue
        for i in range(count[f]):
            belief[i] = cost[f, i]
        for k in range(3):
            g = neighbours[f, k]
            if g < 0 or slots[f, k] < 0:
                continue
            if g > f or count[g] == 1:
                for i in range(count[f]):
                    belief[i] += message[f, k, i]
            else:
                shared = _links(views, colour, centre, f, g, links)
                for i in range(count[f]):
                    belief[i] += _disagreement(members[f, i], members[g, choice[g]], shared, links)
        for i in range(count[f]):
            if belief[i] < belief[choice[f]]:
                choice[f] = i
    return choice


@njit(cache=True)
def _links(views, colour, centre, f, g, links):  # type: ignore[no-untyped-def]
    """Write the photographs that show both faces to `links`; returns how many.

    One continues where it does not change, or changes as the surface does.
    """
    shared = 0
    for i in range(views.shape[1]):
        if views[f, i] < 0:
            continue
        for j in range(views.shape[1]):
            if views[g, j] == views[f, i]:
                step, odd = np.float32(0), np.float32(0)
                for c in range(3):
                    change = colour[f, i, c] - colour[g, j, c]
                    step = max(step, abs(change))
                    odd = max(odd, abs(change - (centre[f, c] - centre[g, c])))
                links.place[0, shared], links.place[1, shared] = i, j
                links.weight[shared] = math.exp(-((min(step, odd) / np.float32(EDGE_LEVELS)) ** 2))
                shared += 1
                break
    return shared


@njit(cache=True)
def _disagreement(own, other, shared, links):  # type: ignore[no-untyped-def]
    """Cost of the shared photographs that are members on one side only."""
    cost = np.float32(0)
    for s in range(shared):
        if (own >> links.place[0, s] & 1) != (other >> links.place[1, s] & 1):
            cost += links.weight[s]
    return cost


@njit(cache=True)
def _send(hypotheses, message, belief, share, edge, shared, links):  # type: ignore[no-untyped-def]
    """A face's message to its neighbour; a face of one hypothesis sends what disagreement with it costs."""
    f, k, g, slot = edge
    members, count = hypotheses.members, hypotheses.used
    least = np.float32(1e30)
    for j in range(count[g]):
        value = np.float32(1e30)
        for i in range(count[f]):
            own = share * belief[i] - message[f, k, i] if count[f] > 1 else np.float32(0)
            value = min(value, own + _disagreement(members[f, i], members[g, j], shared, links))
        message[g, slot, j] = value
        least = min(least, value)
    for j in range(count[g]):
        message[g, slot, j] -= least
