"""A procedural scene with exactly known surface and cameras: the sample set, and the ground truth of the tests.

A glazed sculpture (a knotted torus on a marble plinth) stands in front of a masonry wall on cobbles. Colour is solid
noise evaluated at the surface point, so every view sees exactly the same texture; shading is Lambertian under a fixed
sun and sky, with soft shadows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.sample.sample_shading import (
    GROUND,
    KNOT,
    PLINTH,
    SUN,
    WALL,
    Hits,
    LitSurface,
    add_colors,
    noise,
    pinhole_rays,
    shade,
)

__all__ = ["Rendering", "SampleScene", "build_sample_scene", "look_at", "sample_poses", "shade"]

Vec = NDArray[np.float64]
_LIGHT_RAYS = 12


@dataclass(frozen=True)
class Rendering:
    """One exact view: `image` uint8 [H, W, 3]; `depth` float32 [H, W], 0 = nothing; `normal_cam` float32 [H, W, 3]."""

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    normal_cam: NDArray[np.float32]


@dataclass(frozen=True)
class SampleScene:
    """The exact surface.

    Attributes:
        vertices_world: float32 [V, 3] in metres, z up.
        faces: int32 [F, 3], outside first.
        materials: uint8 [F], what each face is made of.
    """

    vertices_world: NDArray[np.float32]
    faces: NDArray[np.int32]
    materials: NDArray[np.uint8]

    def render(
        self,
        intrinsics_px: tuple[float, float, float, float],
        cam_from_world: Vec,
        width_px: int,
        height_px: int,
        supersampling: int = 2,
    ) -> Rendering:
        """Render with a pinhole camera (fx, fy, cx, cy); the colour is the mean of `supersampling`² rays a pixel.

        Depth and normal are exact at the centre of the pixel.
        """
        camera = (intrinsics_px, cam_from_world, width_px, height_px)
        total = np.zeros((height_px, width_px, 3), np.float32)
        steps = (np.arange(supersampling) + 0.5) / supersampling
        surface = LitSurface(self.faces, self.materials, self._lights)
        for offset_y in steps:
            for offset_x in steps:
                rays = pinhole_rays(*camera, (offset_x, offset_y))
                add_colors(total, rays, self._cast(rays), surface)
        hits = self._cast(pinhole_rays(*camera, (0.5, 0.5)))
        depth = np.where(np.isfinite(hits.depth), hits.depth, 0)  # the direction has z = 1, so t is the depth
        normal_cam = hits.normal @ cam_from_world[:, :3].T.astype(np.float32) * (depth[..., None] > 0)
        image = np.clip(255 * total / supersampling**2 + 0.5, 0, 255).astype(np.uint8)
        return Rendering(image, depth.astype(np.float32), normal_cam.astype(np.float32))

    def _cast(self, rays: NDArray[np.float32]) -> Hits:
        import open3d as o3d

        found = self._caster.cast_rays(o3d.core.Tensor(rays))
        names = ("t_hit", "primitive_ids", "primitive_uvs", "primitive_normals")
        return Hits(*(found[name].numpy() for name in names))

    @cached_property
    def _caster(self) -> Any:
        import open3d as o3d  # takes a second to import

        caster = o3d.t.geometry.RaycastingScene()
        caster.add_triangles(o3d.core.Tensor(self.vertices_world), o3d.core.Tensor(self.faces.astype(np.uint32)))
        return caster

    @cached_property
    def _lights(self) -> NDArray[np.float32]:
        """Shares of the sun's disc and of the sky that each vertex sees, float32 [V, 2]."""
        normals = _vertex_normals(self.vertices_world, self.faces)
        origins = self.vertices_world + 0.004 * normals
        rng = np.random.default_rng(0)
        wide = rng.normal(size=(_LIGHT_RAYS, 3))
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
        seen = np.zeros((len(origins), 2))
        for direction in wide:
            seen[:, 0] += ~self._blocked(origins, np.broadcast_to(SUN + 0.03 * direction, origins.shape))
            seen[:, 1] += ~self._blocked(origins, normals + 0.98 * direction)
        return (seen / _LIGHT_RAYS).astype(np.float32)

    def _blocked(self, origins: NDArray[np.floating], directions: NDArray[np.floating]) -> NDArray[np.bool_]:
        import open3d as o3d

        rays = np.concatenate([origins, directions], 1).astype(np.float32)
        blocked: NDArray[np.bool_] = self._caster.test_occlusions(o3d.core.Tensor(rays)).numpy()
        return blocked


def build_sample_scene(detail: int = 400) -> SampleScene:
    """Build the scene; `detail` is the number of grid cells along the longest side of each part."""
    parts = [
        (GROUND, *_ground(detail)),
        (WALL, *_wall(detail)),
        (PLINTH, *_plinth(detail // 2)),
        (KNOT, *_knot(2 * detail, detail // 5)),
    ]
    offsets = np.cumsum([0] + [len(vertices) for _, vertices, _ in parts])
    return SampleScene(
        np.concatenate([vertices for _, vertices, _ in parts]).astype(np.float32),
        np.concatenate([faces + offset for (_, _, faces), offset in zip(parts, offsets, strict=False)]).astype(
            np.int32
        ),
        np.concatenate([np.full(len(faces), material, np.uint8) for material, _, faces in parts]),
    )


def sample_poses(count: int, radius_m: float = 5.2, span_deg: float = 110.0) -> list[Vec]:
    """cam_from_world [3, 4] of `count` cameras on two rings of an arc in front of the sculpture."""
    poses = []
    for i in range(count):
        angle = np.radians(-90 + span_deg * ((i + 0.5) / count - 0.5))
        height = 1.7 if i % 2 else 2.5
        centre = np.array([radius_m * np.cos(angle), radius_m * np.sin(angle), height])
        poses.append(look_at(centre, np.array([0.0, 0.1, 1.05])))
    return poses


def look_at(centre: Vec, target: Vec) -> Vec:
    """cam_from_world [3, 4] of an upright camera at `centre` that looks at `target` (world z is up)."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    return np.concatenate([R, (-R @ centre)[:, None]], 1)


def _vertex_normals(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    import open3d as o3d

    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(vertices.astype(float)), o3d.utility.Vector3iVector(faces)
    )
    return np.asarray(mesh.compute_vertex_normals().vertex_normals, np.float32)


def _grid(columns: int, rows: int, wrap: bool = False) -> NDArray[np.int64]:
    """Triangles of a grid of vertices, rows x columns, closed on itself in both directions when `wrap`."""
    i, j = np.mgrid[0 : rows - (not wrap), 0 : columns - (not wrap)]
    a, b = i * columns + j, i * columns + (j + 1) % columns
    c, d = ((i + 1) % rows) * columns + j, ((i + 1) % rows) * columns + (j + 1) % columns
    return np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)])


def _ground(n: int) -> tuple[Vec, NDArray[np.int64]]:
    y, x = np.mgrid[-2.6 : 2.0 : n * 1j, -3.2 : 3.2 : n * 1j]
    flat = np.stack([x, y, np.zeros_like(x)], -1)
    flat[..., 2] = 0.05 * noise(flat * 4.0, 7)
    return flat.reshape(-1, 3), _grid(n, n)


def _wall(n: int) -> tuple[Vec, NDArray[np.int64]]:
    z, x = np.mgrid[-0.1 : 2.9 : n * 1j, -3.0 : 3.0 : n * 1j]
    arches = 0.12 * np.clip(np.cos(2.2 * x) * 2, -1, 1) + 0.06 * np.clip(4 * np.sin(5 * z), -1, 1)
    points = np.stack([x, 1.6 + arches, z], -1)
    points[..., 1] += 0.05 * noise(points * 5.0, 8)
    return points.reshape(-1, 3), _grid(n, n)


def _plinth(n: int) -> tuple[Vec, NDArray[np.int64]]:
    """A rounded block: a superellipse swept upwards and closed on top by shrinking to a point."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    profile = [(0.62, -0.05), (0.62, 0.12), (0.52, 0.18), (0.50, 0.55), (0.58, 0.62), (0.56, 0.66), (0.0, 0.66)]
    s = np.linspace(0, len(profile) - 1, n // 2)
    radius = np.interp(s, np.arange(len(profile)), [p[0] for p in profile])[:, None]
    height = np.interp(s, np.arange(len(profile)), [p[1] for p in profile])[:, None]
    c, d = np.cos(angle)[None], np.sin(angle)[None]
    points = np.stack(
        [radius * np.sign(c) * np.abs(c) ** 0.5, radius * np.sign(d) * np.abs(d) ** 0.5, height + 0 * c], -1
    )
    faces = _grid(n, n // 2, wrap=True)
    return points.reshape(-1, 3), faces[faces.max(1) - faces.min(1) < n * (n // 2 - 2)]


def _knot(along: int, around: int) -> tuple[Vec, NDArray[np.int64]]:
    """A (2, 3) torus knot with ripples, standing on the plinth."""
    u = np.linspace(0, 2 * np.pi, along, endpoint=False)
    curve = (
        np.stack([(2 + np.cos(3 * u)) * np.cos(2 * u), np.sin(3 * u), (2 + np.cos(3 * u)) * np.sin(2 * u)], -1) * 0.21
    )
    tangent = np.roll(curve, -1, 0) - np.roll(curve, 1, 0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent, curve)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, tangent)
    v = np.linspace(0, 2 * np.pi, around, endpoint=False)
    radius = 0.13 + 0.012 * np.cos(5 * v)[None, :, None] * np.cos(40 * u)[:, None, None]
    points = curve[:, None] + radius * (
        np.cos(v)[None, :, None] * side[:, None] + np.sin(v)[None, :, None] * up[:, None]
    )
    return points.reshape(-1, 3) + np.array([0, 0, 1.42]), _grid(around, along, wrap=True)[:, ::-1]
