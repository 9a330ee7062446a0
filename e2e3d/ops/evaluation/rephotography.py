"""Virtual rephotography: the model seen from the photographs' own cameras, compared with the photographs.

After Waechter et al., "Virtual Rephotography: Novel View Prediction Error for 3D Reconstruction" (ACM TOG 2017). The
score of a photograph is its coverage (share of pixels where the model is seen) times the mean normalised
cross-correlation of 7 x 7 windows that lie wholly on the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Camera
from e2e3d.ops.evaluation.rendering import Picture, Renderer, camera_rays

WIDTH_PX = 800
_WINDOW_PX = 7
_LEAST_VARIANCE = 1e-5  # grey levels in [0, 1]


@dataclass(frozen=True)
class ViewScore:
    """One photograph: `score` = `coverage` * `ncc`."""

    coverage: float
    ncc: float

    @property
    def score(self) -> float:
        """Coverage times mean local correlation."""
        return self.coverage * self.ncc


def rephotograph(
    renderer: Renderer, camera: Camera, cam_from_world: NDArray[np.float64], width_px: int = WIDTH_PX
) -> Picture:
    """The model as `camera` sees it, lens distortion included, scaled to `width_px`."""
    height_px = round(camera.height_px * width_px / camera.width_px)
    return renderer.rays(camera_rays(camera, width_px, height_px), cam_from_world)


def view_score(picture: Picture, photograph: NDArray[np.uint8]) -> ViewScore:
    """Score a rendering against its photograph (uint8 [H', W', 3] of any size)."""
    height, width = picture.depth.shape
    small = cv2.resize(photograph, (width, height), interpolation=cv2.INTER_AREA)
    seen = picture.face >= 0
    inner = cv2.erode(seen.astype(np.uint8), np.ones((_WINDOW_PX, _WINDOW_PX), np.uint8)) > 0
    correlation = local_correlation(_grey(small), _grey(picture.image))
    return ViewScore(float(seen.mean()), float(correlation[inner].mean()) if inner.any() else 0.0)


def local_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised cross-correlation [H, W] of the windows around each pixel of two grey images in [0, 1]."""

    def mean(image: NDArray[np.float32]) -> NDArray[np.floating]:
        return np.asarray(cv2.blur(image, (_WINDOW_PX, _WINDOW_PX)))

    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b = mean(a * a) - mean_a * mean_a, mean(b * b) - mean_b * mean_b
    covariance = mean(a * b) - mean_a * mean_b
    scale = np.maximum(variance_a, _LEAST_VARIANCE) * np.maximum(variance_b, _LEAST_VARIANCE)
    return np.asarray(covariance / np.sqrt(scale), np.float32)


def _grey(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32) / np.float32(255)
