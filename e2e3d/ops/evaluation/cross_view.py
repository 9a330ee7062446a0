"""Does the surface bring the photographs together? What one shows of it must be what another shows of it.

After Waechter et al., "Virtual Rephotography: Novel View Prediction Error for 3D Reconstruction" (ACM TOG 2017). The
texture of a model is taken from the photographs themselves, so that a wrong surface can still look right from where
its texture was taken. Therefore each photograph is compared with another one that is moved over the surface, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import View
from e2e3d.ops.evaluation.rendering import Picture, Renderer
from e2e3d.ops.evaluation.rephotography import local_correlation

SIZE_PX = 400
_WINDOW_PX = 7
_LEAST_CONTRAST = 0.02  # standard deviation of a window, grey levels in [0, 1]; below, noise decides
_SAME_DEPTH = 0.02


@dataclass(frozen=True)
class SmallView:
    """A photograph and the model from its place, both at most :data:`SIZE_PX` long."""

    grey: NDArray[np.float32]
    picture: Picture
    intrinsics_px: NDArray[np.float64]
    cam_from_world: NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """Sum of local correlations over `windows` windows with contrast, so that those of several pictures add up."""

    total: float
    windows: int


def small_view(renderer: Renderer, view: View) -> SmallView:
    """Shrink a view and render the model from its place."""
    height, width = view.image.shape[:2]
    factor = min(1.0, SIZE_PX / max(width, height))
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    intrinsics = view.intrinsics_px * np.array([size[0] / width, size[1] / height] * 2)
    fx, fy, cx, cy = intrinsics.tolist()
    picture = renderer.pinhole((fx, fy, cx, cy), view.cam_from_world, *size)
    grey = _grey(cv2.resize(view.image, size, interpolation=cv2.INTER_AREA))
    return SmallView(grey, picture, intrinsics, view.cam_from_world)


def rephotography(view: SmallView) -> Correlation:
    """The photograph against the textured model."""
    return _correlation(view.grey, _grey(view.picture.image), view.picture.front)


def cross_view(view: SmallView, other: SmallView) -> Correlation:
    """The photograph against another one that is moved to its place over the surface, where both see it."""
    height, width = view.picture.depth.shape
    depth = view.picture.depth
    fx, fy, cx, cy = view.intrinsics_px
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    points_cam = np.stack([(xs - cx) / fx * depth, (ys - cy) / fy * depth, depth], -1).reshape(-1, 3)
    points_world = (points_cam - view.cam_from_world[:, 3]) @ view.cam_from_world[:, :3]
    there = points_world @ other.cam_from_world[:, :3].T + other.cam_from_world[:, 3]
    z = np.maximum(there[:, 2], 1e-9)
    u = (there[:, 0] / z * other.intrinsics_px[0] + other.intrinsics_px[2] - 0.5).reshape(height, width)
    v = (there[:, 1] / z * other.intrinsics_px[1] + other.intrinsics_px[3] - 0.5).reshape(height, width)
    maps = u.astype(np.float32), v.astype(np.float32)
    moved = cv2.remap(other.grey, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    hit = cv2.remap(other.picture.depth, *maps, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    z_there = there[:, 2].reshape(height, width)
    both = view.picture.front & (z_there > 0) & (np.abs(hit - z_there) < _SAME_DEPTH * z_there)
    return _correlation(view.grey, np.asarray(moved, np.float32), both)


def points_on_surface(view: SmallView, source: View) -> tuple[int, int]:
    """How many of the sparse points of a view lie on the surface seen from there, and how many it has."""
    height, width = view.picture.depth.shape
    scale = np.array([width / source.image.shape[1], height / source.image.shape[0]], np.float32)
    x, y = np.floor(source.sparse_px * scale).astype(int).T
    at = view.picture.depth[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    on = np.abs(at - source.sparse_depth) < _SAME_DEPTH * source.sparse_depth
    return int(on.sum()), len(on)


def mean_correlation(parts: list[Correlation]) -> float | None:
    """Mean over the windows of all parts, None when there is none."""
    windows = sum(part.windows for part in parts)
    return sum(part.total for part in parts) / windows if windows else None


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32], mask: NDArray[np.bool_]) -> Correlation:
    window = (_WINDOW_PX, _WINDOW_PX)
    inner = cv2.erode(mask.astype(np.uint8), np.ones(window, np.uint8), borderValue=0) > 0
    contrast = np.sqrt(np.maximum(cv2.blur(a * a, window) - cv2.blur(a, window) ** 2, 0))
    chosen = inner & (contrast > _LEAST_CONTRAST)
    return Correlation(float(local_correlation(a, b)[chosen].sum()), int(chosen.sum()))


def _grey(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32) / np.float32(255)
