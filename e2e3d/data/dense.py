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

    @property
    def K(self) -> NDArray[np.float64]:
        """Calibration matrix of this pinhole image, float64 [3, 3], in pixels."""
        fx, fy, cx, cy = self.intrinsics_px
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)

    def project(self, points_world: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where points [N, 3] appear: float64 [N, 2] in pixels, and their depth [N].

        Pixels of points that are not before the camera, which have a depth of 0 or less, mean nothing.
        """
        in_camera = np.asarray(points_world, np.float64) @ self.cam_from_world[:, :3].T + self.cam_from_world[:, 3]
        depth = in_camera[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            points_px = in_camera[:, :2] / depth[:, None] * self.intrinsics_px[:2] + self.intrinsics_px[2:]
        return points_px, depth

    def unproject(
        self, depth: NDArray[np.floating], points_px: NDArray[np.floating] | None = None
    ) -> NDArray[np.float64]:
        """The points at a depth behind pixels, in the world.

        Args:
            depth: of each of `points_px` [N]; or a whole depth map [H, W], of the centres of its pixels.
            points_px: [N, 2]; None with a depth map.

        Returns:
            float64 [N, 3], or [H, W, 3] of a depth map.
        """
        if points_px is None:
            rows, columns = np.indices(depth.shape)
            points_px = np.stack([columns + 0.5, rows + 0.5], -1)
        rays = (points_px - self.intrinsics_px[2:]) / self.intrinsics_px[:2]
        in_camera = (
            np.concatenate([rays, np.ones((*rays.shape[:-1], 1))], -1) * np.asarray(depth, np.float64)[..., None]
        )
        points_world: NDArray[np.float64] = (in_camera - self.cam_from_world[:, 3]) @ self.cam_from_world[:, :3]
        return points_world

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"View({self.name}, {width} x {height} px, {len(self.sources)} sources)"


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

    def __repr__(self) -> str:
        height, width = self.depth.shape
        return f"DepthMap({width} x {height} px, {(self.depth > 0).mean():.0%} with depth)"


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

    def __repr__(self) -> str:
        return f"PointCloud({len(self.points_world):,} points)"
