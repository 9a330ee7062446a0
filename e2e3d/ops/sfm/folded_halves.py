"""Two groups of photographs that lie on one another in the model although they do not show the same.

Half of a set that was mirrored, or the other equal side of a symmetric building, registers by the few things that look
the same, and no photograph contradicts its own group (compare :mod:`e2e3d.ops.sfm.photo_agreement`). So the set is cut
where photographs share least (Shi and Malik, "Normalized Cuts and Image Segmentation", PAMI 2000), and each group is
asked for the points of the other: seen from the same side and distance, they must be seen by it, too. Where a group
lacks them over whole parts of its pictures, one of the groups is in the wrong place. Sets that look at two sides of
something share few points, but expect none either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pycolmap
from numpy.typing import NDArray
from scipy.sparse import csr_array

from e2e3d.data.agreement import PhotoAgreement
from e2e3d.ops.sfm.photo_agreement import ModelViews, expected_points, missing_share

_MOST_IMAGES = 1000  # the matrix of what they share is dense
_TESTED = 40  # photographs of a group
_MIN_GROUP, _MIN_EXPECTED = 2, 200
_FEW_SEEN = 0.3  # of what photographs of one group see of one another; folded halves 0.1, honest ones 0.7 and more
_MOST_MISSING = 0.35  # cells of a photograph, as for single ones; folded halves 0.6, honest ones 0


@dataclass(frozen=True)
class _Seen:
    """How many points are expected in the photographs of a group, how many are seen, and the share of empty cells."""

    expected: int
    seen: int
    missing: float

    @property
    def share(self) -> float:
        return self.seen / max(self.expected, 1)


def mark_folded(
    model: pycolmap.Reconstruction, keypoint_counts: Sequence[int], agreement: Sequence[PhotoAgreement]
) -> tuple[PhotoAgreement, ...]:
    """Let the smaller of two halves that contradict each other contradict the model.

    Args:
        model: image ids are indices of the photographs plus one.
        keypoint_counts: of each photograph.
        agreement: of each registered one, by itself.
    """
    folded = folded_half(ModelViews(model, keypoint_counts))
    return tuple(replace(photo, contradicts=True) if photo.photo_index in folded else photo for photo in agreement)


def folded_half(model: ModelViews) -> frozenset[int]:
    """The photographs of the smaller half where the halves contradict each other; none where they do not."""
    first, second = _halves(model)
    if min(len(first), len(second)) < _MIN_GROUP:
        return frozenset()
    across = _seen(model, ((first, second), (second, first)))
    if across.expected < _MIN_EXPECTED or across.missing <= _MOST_MISSING:
        return frozenset()
    within = _seen(model, ((first, first), (second, second)))
    if across.share >= _FEW_SEEN * within.share:
        return frozenset()
    return frozenset(first if len(first) < len(second) else second)


def _halves(model: ModelViews) -> tuple[list[int], list[int]]:
    """The photographs on either side of the cut where they share least, in terms of what each shares with all."""
    indices = np.array(list(model.views))
    if not 2 * _MIN_GROUP <= len(indices) <= _MOST_IMAGES:
        return indices.tolist(), []
    image, point = np.searchsorted(indices, model.observations[:, 0]), model.observations[:, 1]
    seen = csr_array((np.ones(len(point)), (image, point)), (len(indices), len(model.points_world)))
    shared = (seen @ seen.T).toarray()
    np.fill_diagonal(shared, 0)
    degree = np.maximum(shared.sum(axis=1), 1e-9)
    vectors = np.linalg.eigh(np.eye(len(indices)) - shared / np.sqrt(np.outer(degree, degree)))[1]
    one = vectors[:, 1] > 0
    return indices[one].tolist(), indices[~one].tolist()


def _seen(model: ModelViews, pairs: Iterable[tuple[list[int], list[int]]]) -> _Seen:
    """What photographs of the first group of each pair see of the points that those of the second see."""
    expected, seen, missing = 0, 0, list[NDArray[np.float64]]()
    for group, others in pairs:
        for index in group[:: max(1, len(group) // _TESTED)]:
            pixels, observed = expected_points(model, index, frozenset(others))
            expected, seen = expected + len(observed), seen + int(observed.sum())
            missing.append(len(observed) * np.array([missing_share(pixels, observed, model.views[index].size_px), 1.0]))
    lacking, weight = np.sum(missing, axis=0)
    return _Seen(expected, seen, float(lacking / max(weight, 1.0)))
