"""Whole photographs as vectors: VLAD over a vocabulary trained on the set's own descriptors.

Jégou et al., "Aggregating local descriptors into a compact image representation", CVPR 2010, with the
intra-normalisation of Arandjelović and Zisserman, "All about VLAD", CVPR 2013.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SEED = 20100613
_BYTE_NORM = np.float32(512.0)


def sample_descriptors(descriptors: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """At most `count` descriptors, spread evenly over the rows of uint8 [N, 128]."""
    if len(descriptors) <= count:
        return descriptors
    return descriptors[np.linspace(0, len(descriptors) - 1, count).astype(np.int64)]


def train_vocabulary(descriptors: NDArray[np.uint8], words: int, iterations: int = 12) -> NDArray[np.float32]:
    """Cluster descriptors (uint8 [N, 128]) by Lloyd's k-means from a seeded start: float32 [min(words, N), 128]."""
    points = descriptors.astype(np.float32) / _BYTE_NORM
    random = np.random.default_rng(_SEED)
    centres = points[random.choice(len(points), min(words, len(points)), replace=False)]
    for _ in range(iterations):
        labels = nearest_words(points, centres)
        counts = np.bincount(labels, minlength=len(centres))
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, points)
        used = counts > 0
        centres[used] = sums[used] / counts[used, None]
    return centres


def nearest_words(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """Index of the nearest centre of each point, in tiles of rows."""
    half_norms = 0.5 * (centres**2).sum(axis=1)
    tiles = range(0, len(points), 4096)
    parts = [(points[start : start + 4096] @ centres.T - half_norms).argmax(axis=1) for start in tiles]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def describe_photo(descriptors: NDArray[np.uint8], words: NDArray[np.float32]) -> NDArray[np.float16]:
    """VLAD of one photograph's descriptors (uint8 [N, 128]): float16 [K * 128], unit length, zeros when N = 0."""
    points = descriptors.astype(np.float32) / _BYTE_NORM
    labels = nearest_words(points, words)
    residuals = np.zeros_like(words)
    np.add.at(residuals, labels, points - words[labels])
    norms = np.linalg.norm(residuals, axis=1, keepdims=True)
    residuals = np.divide(residuals, norms, out=np.zeros_like(residuals), where=norms > 0)
    length = np.linalg.norm(residuals)
    return np.asarray((residuals / length if length > 0 else residuals).ravel(), np.float16)
