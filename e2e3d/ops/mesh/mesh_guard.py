"""Moves of the vertices of a mesh without fold-overs: spikes are clamped, and moves that fold a face are reduced."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.row_kernels import over_rows

Floats = NDArray[np.float32]
Faces = NDArray[np.int32]

MAX_TURN_DEG = 40.0
MIN_AREA_SHARE = 0.25  # of what a face had, below which it counts as degenerate
_FULL_PASSES, _STOPPED_PASSES = 40, 20


def without_spikes(
    moves: NDArray[np.float64], limits: NDArray[np.float64], laplacian: csr_array, passes: int = 2
) -> NDArray[np.float64]:
    """Moves [V] that differ from the mean of their neighbours by hardly more than their limits [V].

    `laplacian` is a vertex minus the mean of its neighbours, [V, V].
    """
    for _ in range(passes):
        beyond = laplacian @ moves
        moves = moves - (beyond - np.clip(beyond, -limits, limits))
    return moves


def without_folds(start: Floats, moves: Floats, faces: Faces) -> Floats:
    """Vertices [V, 3] after moves [V, 3] from the start [V, 3] that leave every face about as it was.

    No face turns by more than `MAX_TURN_DEG` or loses most of its area. The corners of one that would are brought to
    go the same way, which turns nothing; where that does not end, because faces around want different ways, they go
    less and less far, and at last stay at the start.
    """
    moved = start + moves
    touched = np.ones(len(start), np.bool_)
    for step in range(_FULL_PASSES + _STOPPED_PASSES):
        turned = np.zeros(len(faces), np.bool_)
        _mark_turned(faces, start, moved, touched, np.cos(np.radians(MAX_TURN_DEG)), MIN_AREA_SHARE, turned)
        bad = faces[turned]
        if not len(bad):
            return moved
        together = np.repeat((moved[bad] - start[bad]).mean(1), 3, axis=0)
        corners, place = np.unique(bad, return_inverse=True)
        place = place.ravel()
        means = np.stack([np.bincount(place, axis) for axis in together.T], 1) / np.bincount(place)[:, None]
        share = max(0.0, 1 - step / _FULL_PASSES)
        moved[corners] = start[corners] + (share * means).astype(np.float32)
        touched[:] = False
        touched[corners] = True
    return start


@over_rows
def _mark_turned(first, end, faces, start, moved, touched, cosine, area_share, out):  # type: ignore[no-untyped-def]
    """Which faces [F] with a touched corner have turned by more than an angle, or lost more than a share of area."""
    for f in range(first, end):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        if touched[i] or touched[j] or touched[k]:
            ax, ay, az = _normal(start, i, j, k)
            bx, by, bz = _normal(moved, i, j, k)
            before, after = (ax * ax + ay * ay + az * az) ** 0.5, (bx * bx + by * by + bz * bz) ** 0.5
            along = ax * bx + ay * by + az * bz
            out[f] = along < cosine * before * after or after < area_share * before


@njit(cache=True)
def _normal(points, i, j, k):  # type: ignore[no-untyped-def]
    """Normal of a triangle in double precision, since slivers have areas below that of single; as long as two areas."""
    ax, ay, az = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
    ux, uy, uz = points[j, 0] - ax, points[j, 1] - ay, points[j, 2] - az
    vx, vy, vz = points[k, 0] - ax, points[k, 1] - ay, points[k, 2] - az
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
