"""A view with its depth as fusion wants it, and which of its depth belongs to what is only beside it.

Stereo gives the pixels around an object, and openings through which nothing is seen, the depth of the object. Each is
suspect by its colours alone (:mod:`e2e3d.ops.depth_rims`, :mod:`e2e3d.ops.empty_background`), and goes where other
views see through the points, or through the space behind them, which they do not where there is an object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import DepthMap, View
from e2e3d.ops.depth_rims import nearest_around, refuted_rims, seen_past, suspect_rims
from e2e3d.ops.empty_background import Background, empty_background, falls_in

Scalar = TypeVar("Scalar", bound=np.generic)

_OPENING_PX = 12  # how far behind the depth of an opening the space must be free, pixels
_FREE_BEHIND = 0.5  # share of its pixels behind which other views must see that


@dataclass(frozen=True)
class FusionView:
    """A view with its depth as the kernels want it: read-only arrays, and `pixel_area` float32 [H, W].

    `pixel_area` is the area of surface that a pixel covers, in squared model units; infinite where there is no depth.
    `suspect` and `nearest` are those of :mod:`e2e3d.ops.depth_rims`, `background` is that of
    :mod:`e2e3d.ops.empty_background`; depth on it is suspect too.
    """

    view: View
    depth: NDArray[np.float32]
    normal_cam: NDArray[np.float32]
    confidence: NDArray[np.float32]
    pixel_area: NDArray[np.float32]
    suspect: NDArray[np.bool_]
    nearest: NDArray[np.float32]
    background: Background


def prepare_view(view: View, depth_map: DepthMap) -> FusionView:
    """Apply the view's mask to its depth, find the surface area of each pixel, and suspicious rims."""
    depth = depth_map.depth if view.mask is None else np.where(view.mask, depth_map.depth, np.float32(0))
    rays = rays_cam(view)
    facing = -np.einsum("hwc,hwc->hw", depth_map.normal_cam, rays) / np.linalg.norm(rays, axis=-1)
    valid = (depth > 0).astype(np.float32)
    # Noise of single normals must not decide who owns a point: smooth over the neighbourhood.
    facing = cv2.blur(facing.astype(np.float32) * valid, (7, 7)) / np.maximum(cv2.blur(valid, (7, 7)), np.float32(1e-6))
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


def foreign_depth(reference: FusionView, neighbours: Sequence[FusionView]) -> NDArray[np.bool_]:
    """Which pixels [H, W] of the reference have the depth of an object that they are only beside.

    Other views refute the points of a rim, or see free space behind the background that they cover.
    """
    suspect, blank = reference.suspect, reference.suspect & reference.background.any
    behind = 1 + _OPENING_PX / float(reference.view.intrinsics_px[0])
    return refuted_rims(suspect, _free(reference, neighbours, suspect, 1.0)) | refuted_rims(
        blank, _free(reference, neighbours, blank, behind), _FREE_BEHIND
    )


def _free(
    reference: FusionView, neighbours: Sequence[FusionView], pixels: NDArray[np.bool_], scale: float
) -> NDArray[np.bool_]:
    """Whether a neighbour sees through the points [K] of `pixels` [H, W], their depth times `scale`."""
    view = reference.view
    points_cam = rays_cam(view)[pixels] * (scale * reference.depth[pixels, None].astype(np.float64))
    points_world = (points_cam - view.cam_from_world[:, 3]) @ view.cam_from_world[:, :3]
    free = np.zeros(len(points_world), np.bool_)
    for other in neighbours:
        pose = (other.view.intrinsics_px, other.view.cam_from_world)
        free |= seen_past(points_world, other.nearest, *pose) | falls_in(points_world, other.background.bare, *pose)
    return free


def rays_cam(view: View) -> NDArray[np.float64]:
    """Rays [H, W, 3] with z = 1 through the pixel centres, in the camera frame."""
    fx, fy, cx, cy = view.intrinsics_px
    ys, xs = np.mgrid[0 : view.image.shape[0], 0 : view.image.shape[1]]
    return np.stack([(xs + 0.5 - cx) / fx, (ys + 0.5 - cy) / fy, np.ones(xs.shape)], -1)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The same data as a read-only C-contiguous array, so that the kernels compile once for every caller."""
    shared = np.ascontiguousarray(array).view()
    shared.flags.writeable = False
    return shared
