"""Grey images at any scale, and a whole multi-view problem at one level, in the form the kernels want."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import View
from e2e3d.ops.stereo.correlation import window_offsets
from e2e3d.ops.stereo.planes import intrinsics
from e2e3d.ops.stereo.problem import Problem, Search

FINE_RADIUS_PX = 3
NEARER = 3.0  # planes that need not be searched for, such as the ground's, may come so much nearer than the range


@dataclass(frozen=True)
class MatchSettings:
    """How similarity is measured; see :class:`e2e3d.config.depth.DepthConfig`."""

    window_radius_px: int
    color_scale: float
    noise_sigma: float
    geometric_weight: float
    geometric_limit_px: float
    fine_texture: float


@dataclass(frozen=True)
class GreyView:
    """A pinhole view.

    Attributes:
        grey: uint8 [H, W].
        camera: float64 [4]: fx, fy, cx, cy; `cam_from_world` float64 [3, 4].
        mask: bool [H, W], True = use, or None when every pixel may be used.
    """

    grey: NDArray[np.uint8]
    camera: NDArray[np.float64]
    cam_from_world: NDArray[np.float64]
    mask: NDArray[np.bool_] | None = None

    def resized(self, width: int, height: int) -> GreyView:
        """The same view at another size (area filtered when shrinking)."""
        old_height, old_width = self.grey.shape
        if (width, height) == (old_width, old_height):
            return self
        grey = cv2.resize(self.grey, (width, height), interpolation=cv2.INTER_AREA)
        ratio = np.array([width / old_width, height / old_height])
        mask = None
        if self.mask is not None:
            mask = cv2.resize(np.array(self.mask, np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        return GreyView(np.asarray(grey, np.uint8), self.camera * np.tile(ratio, 2), self.cam_from_world, mask)

    def usable(self) -> NDArray[np.uint8]:
        """uint8 [H, W], 1 = use."""
        return np.ones(self.grey.shape, np.uint8) if self.mask is None else np.array(self.mask, np.uint8)


def grey_view(view: View) -> GreyView:
    """The luminance of a view, and its mask."""
    grey = cv2.cvtColor(np.ascontiguousarray(view.image), cv2.COLOR_RGB2GRAY)
    return GreyView(np.asarray(grey, np.uint8), view.intrinsics_px, view.cam_from_world, view.mask)


def level_sizes(width: int, height: int, coarsest_px: int) -> list[tuple[int, int]]:
    """Sizes (width, height) from coarse to fine, each about half the next, the first still >= coarsest_px long."""
    sizes = [(width, height)]
    while max(sizes[0]) / 2 >= coarsest_px:
        sizes.insert(0, ((sizes[0][0] + 1) // 2, (sizes[0][1] + 1) // 2))
    return sizes


def calibration(camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 3 x 3 calibration matrix of (fx, fy, cx, cy)."""
    fx, fy, cx, cy = camera
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def transfer(first: GreyView, second: GreyView) -> NDArray[np.float32]:
    """float32 [3, 4]: [A b] with pixel_second ~ A (x, y, 1) + b / depth for a pixel of the first view."""
    R = second.cam_from_world[:, :3] @ first.cam_from_world[:, :3].T
    t = second.cam_from_world[:, 3] - R @ first.cam_from_world[:, 3]
    K = calibration(second.camera)
    A = K @ R @ np.linalg.inv(calibration(first.camera))
    return np.concatenate([A, (K @ t)[:, None]], 1).astype(np.float32)


def pack_texels(grey: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """uint32 [H * W]: pixel, right, lower and lower-right neighbour, from the lowest byte up."""
    padded = np.pad(grey, ((0, 1), (0, 1)), mode="edge").astype(np.uint32)
    packed = padded[:-1, :-1] | padded[:-1, 1:] << 8 | padded[1:, :-1] << 16 | padded[1:, 1:] << 24
    return np.asarray(packed.ravel(), np.uint32)


def source_shifts(reference: GreyView, sources: Sequence[GreyView], w: float) -> NDArray[np.float64]:
    """float64 [S]: pixels that source positions move per unit of inverse depth, at the centre and at `w`."""
    height, width = reference.grey.shape
    centre = np.array([width / 2, height / 2, 1.0])
    shifts = []
    for source in sources:
        m = transfer(reference, source).astype(float)
        step = 1e-3 * w
        near, far = (m[:, :3] @ centre + m[:, 3] * value for value in (w + step, w - step))
        shifts.append(np.linalg.norm(near[:2] / near[2] - far[:2] / far[2]) / (2 * step))
    return np.array(shifts)


def matched_scale(reference: GreyView, source: GreyView, depth: float) -> float:
    """Factor <= 1 by which to shrink the source so that its pixels are not finer than the reference's at `depth`."""
    height, width = reference.grey.shape
    ray = np.linalg.inv(calibration(reference.camera)) @ np.array([width / 2, height / 2, 1.0])
    world = reference.cam_from_world[:, :3].T @ (ray * depth - reference.cam_from_world[:, 3])
    source_depth = source.cam_from_world[2, :3] @ world + source.cam_from_world[2, 3]
    if source_depth <= 0:
        return 1.0
    ratio = (source.camera[0] / source_depth) / (reference.camera[0] / depth)
    return float(np.clip(1 / ratio, 0.1, 1.0)) if ratio > 1.25 else 1.0


def build_problem(
    reference: GreyView,
    sources: Sequence[GreyView],
    source_depths: Sequence[NDArray[np.float32]] | None,
    size: tuple[int, int],
    depth_range: tuple[float, float],
    settings: MatchSettings,
    fine: bool = False,
) -> Problem:
    """The problem at one level.

    Args:
        reference: the view at full size.
        sources: the views to match with, at full size.
        source_depths: float32 [H_s, W_s] per source, to switch the geometric term on.
        size: width and height of the level.
        depth_range: nearest and farthest depth.
        settings: how similarity is measured.
        fine: whether to use the fine window where it shows enough.
    """
    level = reference.resized(*size)
    scale = size[0] / reference.grey.shape[1]
    w_min, w_max = 1 / depth_range[1], 1 / depth_range[0]
    typical = 0.5 * (w_min + w_max)
    factors = [scale * matched_scale(reference, source, 1 / typical) for source in sources]
    resized = [source.resized(*_scaled_size(source, factor)) for source, factor in zip(sources, factors, strict=True)]
    starts = np.cumsum([0, *(view.grey.size for view in resized[:-1])])
    layout = np.array([(s, *v.grey.shape[::-1]) for s, v in zip(starts, resized, strict=True)], np.int32)
    masked = any(view.mask is not None for view in resized)
    offsets = np.stack([window_offsets(radius) for radius in (FINE_RADIUS_PX, settings.window_radius_px)], 1)
    search = Search(
        w_min=np.float32(w_min),
        w_max=np.float32(w_max),
        inverse_shift=np.float32(1 / max(float(np.median(source_shifts(level, resized, typical))), 1e-9)),
        inverse_color_scale=np.float32(1 / settings.color_scale),
        noise_variance=np.float32(settings.noise_sigma**2),
        geometric_weight=np.float32(settings.geometric_weight if source_depths is not None else 0.0),
        geometric_limit_px=np.float32(settings.geometric_limit_px),
        radius_px=np.float32(settings.window_radius_px),
        fine_variance=np.float32(settings.fine_texture**2 if fine else 0.0),
        w_limit=np.float32(NEARER * w_max),
    )
    return Problem(
        grey=np.array(level.grey),
        usable=level.usable(),
        offset_x=np.ascontiguousarray(offsets[0]),
        offset_y=np.ascontiguousarray(offsets[1]),
        camera=intrinsics(level.camera),
        texels=np.concatenate([pack_texels(view.grey) for view in resized]),
        layout=layout,
        forward=np.stack([transfer(level, view) for view in resized]),
        source_usable=np.concatenate([v.usable().ravel() for v in resized]) if masked else np.ones(1, np.uint8),
        source_depth=_resized_depths(source_depths, resized),
        backward=np.stack([transfer(view, level) for view in resized]),
        search=search,
    )


def _scaled_size(view: GreyView, factor: float) -> tuple[int, int]:
    """Width and height of a view scaled by `factor`, at least 8 pixels each."""
    height, width = (max(8, round(factor * side)) for side in view.grey.shape)
    return width, height


def _resized_depths(depths: Sequence[NDArray[np.float32]] | None, views: Sequence[GreyView]) -> NDArray[np.float32]:
    """Depth maps at the sizes of their views, laid out as ``Problem.source_depth``; float32 [1] without any."""
    if depths is None:
        return np.zeros(1, np.float32)
    resized = (
        cv2.resize(np.array(depth), view.grey.shape[::-1], interpolation=cv2.INTER_NEAREST)
        for depth, view in zip(depths, views, strict=True)
    )
    return np.concatenate([np.asarray(depth, np.float32).ravel() for depth in resized])
