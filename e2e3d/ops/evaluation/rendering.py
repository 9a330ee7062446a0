"""Pictures of a textured mesh by ray casting: the report's views, coverage, and virtual rephotography."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import TexturedMesh
from e2e3d.data.scene import Camera
from e2e3d.ops.photos.undistortion import normalised_from_image

_RAYS_AT_ONCE = 1_000_000
_REMAP_COLUMNS = 4096


@dataclass(frozen=True)
class Picture:
    """What rays saw.

    Attributes:
        image: uint8 [H, W, 3], black where nothing was hit.
        depth: float32 [H, W], z in the camera (ray parameter), 0 = nothing.
        face: int32 [H, W], index of the face hit, -1 = nothing.
        front: bool [H, W], True where the outside of the surface was hit.
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    face: NDArray[np.int32]
    front: NDArray[np.bool_]


class Renderer:
    """Renders one mesh many times; faces whose page is -1 take the colours of their vertices."""

    def __init__(self, textured: TexturedMesh) -> None:
        import open3d as o3d  # takes a second to import

        self._textured = textured
        self._tensor = o3d.core.Tensor
        self._caster = o3d.t.geometry.RaycastingScene()
        vertices = self._tensor(np.array(textured.mesh.vertices_world, np.float32))
        self._caster.add_triangles(vertices, self._tensor(textured.mesh.faces.astype(np.uint32)))

    def pinhole(
        self,
        intrinsics_px: tuple[float, float, float, float],
        cam_from_world: NDArray[np.float64],
        width_px: int,
        height_px: int,
    ) -> Picture:
        """Render with a pinhole camera (fx, fy, cx, cy) at `cam_from_world` [3, 4]."""
        fx, fy, cx, cy = intrinsics_px
        x = (np.arange(width_px, dtype=np.float32) + 0.5 - cx) / fx
        y = (np.arange(height_px, dtype=np.float32) + 0.5 - cy) / fy
        rays_cam = np.ones((height_px, width_px, 3), np.float32)
        rays_cam[..., 0], rays_cam[..., 1] = x[None], y[:, None]
        return self.rays(rays_cam, cam_from_world)

    def rays(self, rays_cam: NDArray[np.float32], cam_from_world: NDArray[np.float64]) -> Picture:
        """Render along `rays_cam` [H, W, 3], directions with z = 1 in the camera frame."""
        height, width = rays_cam.shape[:2]
        flat = rays_cam.reshape(-1, 3)
        blocks = [
            self._block(flat[start : start + _RAYS_AT_ONCE], cam_from_world)
            for start in range(0, len(flat), _RAYS_AT_ONCE)
        ]
        color, depth, face, front = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        return Picture(
            color.reshape(height, width, 3),
            depth.reshape(height, width),
            face.reshape(height, width),
            front.reshape(height, width),
        )

    def _block(
        self, rays_cam: NDArray[np.float32], cam_from_world: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int32], NDArray[np.bool_]]:
        R, t = cam_from_world[:, :3].astype(np.float32), cam_from_world[:, 3]
        rays = np.empty((len(rays_cam), 6), np.float32)
        rays[:, :3] = -cam_from_world[:, :3].T @ t
        rays[:, 3:] = rays_cam @ R
        hit = self._caster.cast_rays(self._tensor(rays))
        depth = hit["t_hit"].numpy()
        found = np.isfinite(depth)
        face = np.where(found, hit["primitive_ids"].numpy().astype(np.int64), -1).astype(np.int32)
        normals = hit["primitive_normals"].numpy()
        color = np.zeros((len(rays), 3), np.uint8)
        color[found] = self._colors(face[found], hit["primitive_uvs"].numpy()[found])
        front = found & (np.einsum("ij,ij->i", normals, rays[:, 3:]) < 0)
        return color, np.where(found, depth, 0).astype(np.float32), face, front

    def _colors(self, face: NDArray[np.int32], barycentric: NDArray[np.float32]) -> NDArray[np.uint8]:
        weights = np.stack([1 - barycentric.sum(1), barycentric[:, 0], barycentric[:, 1]], 1)
        page_of = self._textured.face_page[face]
        color = np.zeros((len(face), 3), np.uint8)
        for page in np.unique(page_of):
            rows = page_of == page
            if page < 0:
                corners = self._textured.mesh.colors[self._textured.mesh.faces[face[rows]]]
                color[rows] = np.einsum("ij,ijk->ik", weights[rows], corners.astype(np.float32)) + 0.5
            else:
                uv = np.einsum("ij,ijk->ik", weights[rows], self._textured.uv[face[rows]])
                color[rows] = sample_texture(self._textured.pages[page], uv)
        return color


def sample_texture(page: NDArray[np.uint8], uv: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bilinear samples uint8 [N, 3] of a page [H, W, 3] at `uv` [N, 2] (v up, texel centres at half-integers)."""
    height, width = page.shape[:2]
    count = len(uv)
    padded = np.zeros((-(-count // _REMAP_COLUMNS) * _REMAP_COLUMNS, 2), np.float32)
    padded[:count, 0] = uv[:, 0] * width - 0.5
    padded[:count, 1] = (1 - uv[:, 1]) * height - 0.5
    positions = padded.reshape(-1, _REMAP_COLUMNS, 2)
    samples = cv2.remap(page, positions, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    flat: NDArray[np.uint8] = samples.reshape(-1, 3)[:count]
    return flat


def camera_rays(camera: Camera, width_px: int, height_px: int) -> NDArray[np.float32]:
    """Directions [H, W, 3] with z = 1, in the camera frame, of an image of `camera` scaled to the given size.

    Lens distortion is undone, so that the rays are those of the photograph's own pixels.
    """
    x = (np.arange(width_px) + 0.5) * (camera.width_px / width_px)
    y = (np.arange(height_px) + 0.5) * (camera.height_px / height_px)
    pixels = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    rays = np.ones((len(pixels), 3), np.float32)
    rays[:, :2] = normalised_from_image(camera, pixels)
    return rays.reshape(height_px, width_px, 3)
