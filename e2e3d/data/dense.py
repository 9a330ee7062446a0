"""What dense stereo works on and makes: pinhole views, depth maps and the fused cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class View:
    """An undistorted photograph at depth resolution, with what stereo needs to know about its surroundings.

    Attributes:
        name: the photograph's name; `image_index` its index in ``scene.images``.
        image: uint8 [H, W, 3] RGB.
        mask: bool [H, W], True = use, or None when every pixel may be used.
        intrinsics_px: float64 [4]: fx, fy, cx, cy of this pinhole image (centre of the top-left pixel is 0.5, 0.5).
        cam_from_world: float64 [3, 4].
        depth_range: nearest and farthest depth worth searching, from the sparse points.
        sources: indices into ``scene.images`` of the views to match with, best first; `source_scores` float32 [S].
        sparse_px: float32 [N, 2] and `sparse_depth` float32 [N]: the view's sparse points, to start from.
    """

    name: str
    image_index: int
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_] | None
    intrinsics_px: NDArray[np.float64]
    cam_from_world: NDArray[np.float64]
    depth_range: tuple[float, float]
    sources: tuple[int, ...]
    source_scores: NDArray[np.float32]
    sparse_px: NDArray[np.float32]
    sparse_depth: NDArray[np.float32]


@dataclass(frozen=True)
class ViewGeometry:
    """What is known of a view before it has pixels: enough to plan stereo and fusion with it.

    Attributes:
        image_index, sources: as in :class:`View`.
        photo_index: of its photograph in the list of usable ones.
        width_px, height_px: size of its image.
    """

    image_index: int
    photo_index: int
    width_px: int
    height_px: int
    sources: tuple[int, ...]


@dataclass(frozen=True)
class ViewGeometries:
    """The geometry of several views, in the order of ``scene.images``."""

    views: tuple[ViewGeometry, ...]


@dataclass(frozen=True, eq=False)
class DepthMap:
    """Depth of one view.

    Attributes:
        depth: float32 [H, W], z in the camera, 0 = none.
        normal_cam: float32 [H, W, 3], unit, camera frame, pointing to the camera; zeros where depth is 0.
        confidence: float32 [H, W] in [0, 1].
    """

    depth: NDArray[np.float32]
    normal_cam: NDArray[np.float32]
    confidence: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Fused, oriented, coloured points.

    Attributes:
        points_world: float32 [N, 3]; `normals_world` float32 [N, 3], unit, towards the cameras.
        colors: uint8 [N, 3]; `confidence` float32 [N] in [0, 1].
        view_count: uint16 [N], how many depth maps agree on the point.
        footprint: float32 [N], size of a pixel of the finest agreeing view at the point, in model units.
        view_offsets: int64 [N + 1] and `view_indices` int32 [K]: the agreeing views of each point (into scene.images).
    """

    points_world: NDArray[np.float32]
    normals_world: NDArray[np.float32]
    colors: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    view_count: NDArray[np.uint16]
    footprint: NDArray[np.float32]
    view_offsets: NDArray[np.int64]
    view_indices: NDArray[np.int32]
