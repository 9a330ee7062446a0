"""Stages of one's own, for notebook 5: features and a matcher in a few lines, without any package beside OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

import e2e3d
from e2e3d.stages.plugin_adapters import PhotoFeatures


@e2e3d.plugin(version=1)
def corners(
    image: NDArray[np.uint8], mask: NDArray[np.bool_] | None, *, count: int = 2000
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Strong corners, and the blurred grey values around each as its descriptor."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    usable = None if mask is None else mask.astype(np.uint8)
    found = cv2.goodFeaturesToTrack(grey, count, 0.003, 3, mask=usable).reshape(-1, 2)
    smooth = cv2.GaussianBlur(grey, (0, 0), 2)
    around = np.stack([cv2.getRectSubPix(smooth, (17, 17), (float(x), float(y)))[::2, ::2] for x, y in found])
    values = around.reshape(len(found), -1).astype(np.float32)
    return found + 0.5, values - values.mean(axis=1, keepdims=True)


@e2e3d.plugin(version=1)
def cross_checked(first: PhotoFeatures, second: PhotoFeatures, *, least_cosine: float = 0.9) -> NDArray[np.int64]:
    """Descriptors that are each other's nearest, and alike."""
    a, b = (side.descriptors / np.linalg.norm(side.descriptors, axis=1, keepdims=True) for side in (first, second))
    cosines = a @ b.T
    nearest, rows = cosines.argmax(axis=1), np.arange(len(a))
    kept = (cosines.argmax(axis=0)[nearest] == rows) & (cosines[rows, nearest] > least_cosine)
    return np.stack([rows, nearest], axis=1)[kept]
