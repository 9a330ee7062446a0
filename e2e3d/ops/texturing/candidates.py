"""The views that may paint each face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.row_kernels import over_rows

MAX_CANDIDATES = 12
LAST_RESORT = 0.02  # of its quality, what a demoted candidate keeps


@dataclass(frozen=True)
class Candidates:
    """The best views of each face; empty places have view -1 and quality 0.

    Attributes:
        view: int16 [F, K]; `quality` float32 [F, K]; `colour` uint8 [F, K, 3], the face's mean colour in that view.
    """

    view: NDArray[np.int16]
    quality: NDArray[np.float32]
    colour: NDArray[np.uint8]

    @staticmethod
    def empty(face_count: int, view_count: int) -> Candidates:
        """Room for the best views of `face_count` faces, filled in place by :func:`offer_view`."""
        shape = (face_count, max(1, min(MAX_CANDIDATES, view_count)))
        return Candidates(np.full(shape, -1, np.int16), np.zeros(shape, np.float32), np.zeros((*shape, 3), np.uint8))


def offer_view(candidates: Candidates, view: int, quality: NDArray[np.float32], colour: NDArray[np.uint8]) -> None:
    """Enter one view's quality [F] (0 = unusable) and colour [F, 3]; the worst of a full row gives way."""
    _offer(candidates.view, candidates.quality, candidates.colour, view, quality, colour)


@over_rows
def _offer(first, end, views, qualities, colours, view, quality, colour):  # type: ignore[no-untyped-def]
    for f in range(first, end):
        if quality[f] <= 0:
            continue
        worst = 0
        for k in range(views.shape[1]):
            if qualities[f, k] < qualities[f, worst]:
                worst = k
        if quality[f] > qualities[f, worst]:
            views[f, worst] = view
            qualities[f, worst] = quality[f]
            for c in range(3):
                colours[f, worst, c] = colour[f, c]


def keep_consistent(candidates: Candidates, consistent: NDArray[np.bool_], neighbours: NDArray[np.int32]) -> Candidates:
    """Keep the candidates that are `consistent` [F, K]; rows come out sorted by view.

    A view dropped for one face is made a last resort for the faces around it (`neighbours` int32 [F, 3]), which the
    outline of a passer-by may cross.
    """
    view = np.where(consistent, candidates.view, np.int16(-1))
    quality = np.where(consistent, candidates.quality, np.float32(0))
    dropped = np.where(consistent, np.int16(-1), candidates.view)
    demoted = quality.copy()
    _demote(view, quality, dropped, neighbours, demoted)
    order = np.argsort(np.where(view >= 0, view, np.int16(32767)), axis=1, kind="stable")
    return Candidates(
        np.take_along_axis(view, order, 1),
        np.take_along_axis(demoted, order, 1),
        np.take_along_axis(candidates.colour, order[..., None], 1),
    )


@over_rows
def _demote(first, end, views, qualities, dropped, neighbours, out):  # type: ignore[no-untyped-def]
    """Qualities [F, K], cut in `out` where the view is dropped (int16 [F, K], -1 = none) up to two edges away."""
    for f in range(first, end):
        for i in range(3):
            g = neighbours[f, i]
            if g < 0:
                continue
            for j in range(-1, 3):
                h = g if j < 0 else neighbours[g, j]
                if h < 0 or h == f:
                    continue
                for k in range(views.shape[1]):
                    if dropped[h, k] < 0:
                        continue
                    for m in range(views.shape[1]):
                        if views[f, m] == dropped[h, k]:
                            out[f, m] = qualities[f, m] * LAST_RESORT
