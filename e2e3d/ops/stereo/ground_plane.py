"""The level ground below a view, found by trying its height: ground has few sparse points, or none.

People walk on what they photograph from, so the ground is about level, and one number is unknown of it. Every height
makes a plane over which the sources are warped to the reference (plane sweep: Collins, CVPR 1996), and the one
that looks most alike in front of the nearest sparse points is offered. It is a hypothesis like others: a pixel takes it
only if nothing else matches better there.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.stereo.pyramid import NEARER, GreyView, calibration, transfer
from e2e3d.ops.stereo.support import NOISE_VARIANCE

Floats = NDArray[np.float32]

_LONGEST_PX = 320  # of the images that are compared
_LEVEL = np.sin(np.radians(10.0))  # by how much horizontal axes may be off the level
_LOWEST, _HEIGHTS = 0.01, 60  # heights below the camera, from that share of the farthest depth to all of it
_FINER, _TILT_DEG = (0.03, 0.01), (2.0, 0.7)  # relative steps of height and steps of tilt around the best
_RADIUS_PX = 5
_BEFORE = 0.9  # the ground lies before this share of the depth of the points above it
_LEAST_SHARE, _LEAST_GAIN = 0.01, 0.03  # of the image; of likeness over that of most heights


def ground_plane(
    reference: GreyView,
    sources: Sequence[GreyView],
    depth_behind: Floats,
    depth_range: tuple[float, float],
) -> NDArray[np.float64] | None:
    """The plane of the ground as normal over distance, m . X = 1 in the camera; None where there is no sign of any.

    Args:
        reference: the view; its world's z is up where the frame is upright, which level cameras show.
        sources: the views that it is matched with.
        depth_behind: float32 [H, W], of the nearest sparse points.
        depth_range: nearest and farthest depth.
    """
    up = reference.cam_from_world[:, 2]
    if max(abs(view.cam_from_world[0, 2]) for view in (reference, *sources)) > _LEVEL or abs(up[2]) > 0.7:
        return None
    sweep = _Sweep(reference, sources, depth_behind, depth_range)
    heights = np.geomspace(_LOWEST * depth_range[1], depth_range[1], _HEIGHTS)
    scores = np.array([sweep.likeness(-up / height) for height in heights])
    tried = scores > 0
    if not tried.any() or scores.max() < np.median(scores[tried]) + _LEAST_GAIN:
        return None
    best, likeness = -up / heights[scores.argmax()], scores.max()
    across = np.cross(up, (0, 0, 1.0)), np.cross(up, (1.0, 0, 0))
    for step, tilt_deg in zip(_FINER, _TILT_DEG, strict=True):
        tilt = np.linalg.norm(best) * np.tan(np.radians(tilt_deg))
        for change in (best * step, across[0] * tilt, across[1] * tilt, best * step):
            for plane in (best + change, best - change):
                score = sweep.likeness(plane)
                if score > likeness:
                    best, likeness = plane, score
    return np.asarray(best)


class _Sweep:
    """The likeness of small images over planes."""

    def __init__(
        self,
        reference: GreyView,
        sources: Sequence[GreyView],
        depth_behind: Floats,
        depth_range: tuple[float, float],
    ) -> None:
        scale = min(1.0, _LONGEST_PX / max(reference.grey.shape))
        self._view, *self._sources = (
            view.resized(*(round(scale * side) for side in view.grey.shape[::-1])) for view in (reference, *sources)
        )
        height, width = self._view.grey.shape
        rows, columns = np.mgrid[:height, :width] + 0.5
        self._rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(calibration(self._view.camera)).T
        behind = cv2.resize(depth_behind, (width, height), interpolation=cv2.INTER_NEAREST)
        self._least = 1 / np.minimum(_BEFORE * behind, depth_range[1])
        self._most = NEARER / depth_range[0]
        self._usable = self._view.usable() > 0
        self._grey = self._view.grey.astype(np.float32)
        self._mean, self._variance = _mean_and_variance(self._grey)

    def likeness(self, plane: NDArray[np.float64]) -> float:
        """Mean correlation, negative counted as 0, with the two best sources where the plane m . X = 1 is in range."""
        inverse_depth = self._rays @ plane
        region = (inverse_depth > self._least) & (inverse_depth < self._most) & self._usable
        if region.mean() < _LEAST_SHARE:
            return 0.0
        used = np.flatnonzero(region.any(1))
        rows = slice(max(used[0] - _RADIUS_PX, 0), used[-1] + 1 + _RADIUS_PX)
        alike = np.zeros((2, *region[rows].shape), np.float32)
        for source in self._sources:
            value = self._correlation(plane, source, rows)
            alike[1] = np.maximum(alike[1], np.minimum(alike[0], value))
            alike[0] = np.maximum(alike[0], value)
        return float(alike.mean(0)[region[rows]].mean())

    def _correlation(self, plane: NDArray[np.float64], source: GreyView, rows: slice) -> Floats:
        """Correlation with a source of all pixels in some rows."""
        m = transfer(self._view, source).astype(np.float64)
        warp = m[:, :3] + np.outer(m[:, 3], plane @ np.linalg.inv(calibration(self._view.camera)))
        centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # of the first pixel, which OpenCV calls 0
        first = np.array([[1, 0, 0], [0, 1, rows.start], [0, 0, 1]])
        warp = np.linalg.inv(centre) @ warp @ centre @ first
        grey = self._grey[rows]
        size, flags = grey.shape[::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        inside = cv2.warpPerspective(np.ones(source.grey.shape, np.float32), warp, size, flags=flags)
        warped = cv2.warpPerspective(source.grey.astype(np.float32), warp, size, flags=flags)
        mean, variance = _mean_and_variance(warped)
        product = _blurred(grey * warped) - self._mean[rows] * mean
        correlation = product / np.sqrt((self._variance[rows] + NOISE_VARIANCE) * (variance + NOISE_VARIANCE))
        return np.where(_blurred(inside) > 0.99, correlation, np.float32(0))


def _mean_and_variance(values: Floats) -> tuple[Floats, Floats]:
    mean = _blurred(values)
    return mean, np.maximum(_blurred(values * values) - mean * mean, np.float32(0))


def _blurred(values: Floats) -> Floats:
    return np.asarray(cv2.boxFilter(values, cv2.CV_32F, (2 * _RADIUS_PX + 1, 2 * _RADIUS_PX + 1)))
