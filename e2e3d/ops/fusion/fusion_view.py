"""A view prepared for fusion, and which of its depths come from foreground fattening.

Stereo gives the pixels around an object, and those in its openings, the depth of the object. Such pixels are suspected
by their colours (:mod:`e2e3d.ops.fusion.depth_rims`, :mod:`e2e3d.ops.fusion.empty_background`), and removed where other
views see through their points, or through the space behind them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import DepthMap, View
from e2e3d.ops.fusion.depth_rims import nearest_around, refuted_rims, seen_past, suspect_rims
from e2e3d.ops.fusion.empty_background import EmptyBackground, empty_background, projects_into

Scalar = TypeVar("Scalar", bound=np.generic)

_ROWS_TOGETHER = 128
_OPENING_PX = 12  # how far behind the depth of an opening the space must be free, pixels
_FREE_BEHIND = 0.5  # share of its pixels behind which other views must see that


@dataclass(frozen=True)
class FusionView:
    """A view with its depth as the kernels want it: read-only arrays, and `pixel_area` float32 [H, W].

    `pixel_area` is the area of surface that a pixel covers, in squared model units; infinite where there is no depth.
    `suspect` and `nearest` are those of :mod:`e2e3d.ops.fusion.depth_rims`, `background` is that of
    :mod:`e2e3d.ops.fusion.empty_background`; depth on it is suspect too.
    """

    view: View
    depth: NDArray[np.float32]
    normal_cam: NDArray[np.float32]
    confidence: NDArray[np.float32]
    pixel_area: NDArray[np.float32]
    suspect: NDArray[np.bool_]
    nearest: NDArray[np.float32]
    background: EmptyBackground


def prepare_view(view: View, depth_map: DepthMap) -> FusionView:
    """Apply the view's mask to its depth, find the surface area of each pixel, and suspicious rims."""
    depth = depth_map.depth if view.mask is None else np.where(view.mask, depth_map.depth, np.float32(0))
    valid = (depth > 0).astype(np.float32)
    # Noise of single normals must not decide who owns a point: smooth over the neighbourhood.
    facing = cv2.blur(_facing(view, depth_map) * valid, (7, 7))
    facing /= np.maximum(cv2.blur(valid, (7, 7)), np.float32(1e-6))
    fx, fy = view.intrinsics_px[:2]
    area = depth**2 / np.float32(fx * fy) / np.clip(facing, np.float32(0.1), np.float32(1))
    area[depth <= 0] = np.inf
    background = empty_background(view.image, depth)
    return FusionView(
        view,
        read_only(depth),
        read_only(depth_map.normal_cam),
        read_only(depth_map.confidence),
        read_only(area.astype(np.float32)),
        suspect_rims(depth, view.image) | (background.any & (depth > 0)),
        nearest_around(depth, depth_map.confidence),
        background,
    )


def _facing(view: View, depth_map: DepthMap) -> NDArray[np.float32]:
    """Cosine [H, W] between the normals and the rays to the camera, some rows at a time for the memory."""
    facing = np.empty(depth_map.depth.shape, np.float32)
    for first in range(0, len(facing), _ROWS_TOGETHER):
        rows = slice(first, first + _ROWS_TOGETHER)
        rays = rays_cam(view, rows)
        facing[rows] = -np.einsum("hwc,hwc->hw", depth_map.normal_cam[rows], rays) / np.linalg.norm(rays, axis=-1)
    return facing


class FattenedDepth:
    """Finds the pixels of a reference view that have the depth of an object beside them.

    Other views see through the points of such a rim, or see free space behind the background that it covers.
    """

    def __init__(self, reference: FusionView) -> None:
        self._suspect, self._blank = reference.suspect, reference.suspect & reference.background.any
        behind = 1 + _OPENING_PX / float(reference.view.intrinsics_px[0])
        self._points = _points_world(reference, self._suspect, 1.0)
        self._points_behind = _points_world(reference, self._blank, behind)
        self._free = np.zeros(len(self._points), np.bool_)
        self._free_behind = np.zeros(len(self._points_behind), np.bool_)

    def add_view(self, other: FusionView) -> None:
        """Record which of the points another view sees through."""
        self._free |= _sees_through(other, self._points)
        self._free_behind |= _sees_through(other, self._points_behind)

    def found(self) -> NDArray[np.bool_]:
        """Bool [H, W]."""
        beside = refuted_rims(self._suspect, self._free)
        return beside | refuted_rims(self._blank, self._free_behind, _FREE_BEHIND)


def _points_world(reference: FusionView, pixels: NDArray[np.bool_], scale: float) -> NDArray[np.float64]:
    """The points [K, 3] of `pixels` [H, W] of a view, their depth times `scale`."""
    view = reference.view
    fx, fy, cx, cy = view.intrinsics_px
    ys, xs = np.nonzero(pixels)
    rays = np.stack([(xs + 0.5 - cx) / fx, (ys + 0.5 - cy) / fy, np.ones(xs.shape)], -1)
    points_cam = rays * (scale * reference.depth[pixels, None].astype(np.float64))
    return np.asarray((points_cam - view.cam_from_world[:, 3]) @ view.cam_from_world[:, :3])


def _sees_through(other: FusionView, points_world: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points [K, 3] lie in front of what a view sees, or before its empty background."""
    pose = (other.view.intrinsics_px, other.view.cam_from_world)
    past = seen_past(points_world, other.nearest, *pose)
    return np.asarray(past | projects_into(points_world, other.background.bare, *pose))


def rays_cam(view: View, rows: slice) -> NDArray[np.float64]:
    """Rays [R, W, 3] with z = 1 through the pixel centres of some rows, in the camera frame."""
    fx, fy, cx, cy = view.intrinsics_px
    height, width = view.image.shape[:2]
    ys, xs = np.mgrid[slice(*rows.indices(height)), 0:width]
    return np.stack([(xs + 0.5 - cx) / fx, (ys + 0.5 - cy) / fy, np.ones(xs.shape)], -1)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The same data as a read-only C-contiguous array, so that the kernels compile once for every caller."""
    shared = np.ascontiguousarray(array).view()
    shared.flags.writeable = False
    return shared
