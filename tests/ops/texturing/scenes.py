"""Small scenes with exactly known texture, and a renderer of textured meshes that shares no code with the texturing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import open3d as o3d
import pycolmap
from numpy.typing import NDArray

from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.scene import Camera
from e2e3d.ops.sample.sample_scene import look_at
from e2e3d.ops.texturing.camera import camera_vector
from e2e3d.ops.texturing.texture_mesh import texture_mesh

Paint = Callable[[NDArray[np.float64]], NDArray[np.float64]]
PINHOLE = Camera(1, "PINHOLE", 320, 240, (300.0, 300.0, 160.0, 120.0))
OPENCV = Camera(1, "OPENCV", 320, 240, (300.0, 305.0, 155.0, 123.0, -0.12, 0.03, 0.002, -0.003))


def plane(cells: int, half_size: float = 1.0, z: float = 0.0) -> Mesh:
    """A square in the plane of constant z that faces +z, of 2 * cells² triangles."""
    y, x = np.mgrid[-half_size : half_size : (cells + 1) * 1j, -half_size : half_size : (cells + 1) * 1j]
    vertices = np.stack([x, y, np.full_like(x, z)], -1).reshape(-1, 3).astype(np.float32)
    i, j = np.mgrid[0:cells, 0:cells]
    a = (i * (cells + 1) + j).ravel()
    b, c, d = a + 1, a + cells + 1, a + cells + 2
    faces = np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)]).astype(np.int32)
    return Mesh(vertices, np.full((len(vertices), 3), 99, np.uint8), faces)


def joined(*meshes: Mesh) -> Mesh:
    """The meshes as one, in order."""
    offsets = np.cumsum([0] + [len(m.vertices_world) for m in meshes])
    return Mesh(
        np.concatenate([m.vertices_world for m in meshes]),
        np.concatenate([m.colors for m in meshes]),
        np.concatenate([m.faces + np.int32(o) for m, o in zip(meshes, offsets, strict=False)]),
    )


def waves(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth, non-repeating colour in [0, 255] of world points [..., 3]."""
    x, y = points[..., 0], points[..., 1]
    red = 120 + 60 * np.sin(7 * x + 2 * y) + 30 * np.sin(23 * y)
    green = 120 + 60 * np.sin(6 * y - 3 * x) + 30 * np.cos(19 * x)
    blue = 120 + 50 * np.sin(5 * x + 5 * y) + 30 * np.sin(17 * (x - y))
    return np.stack([red, green, blue], -1)


def camera_above(x: float, y: float, distance: float = 2.4) -> NDArray[np.float64]:
    """cam_from_world [3, 4] of a camera at (x, y, distance) that looks at the origin."""
    turned = look_at(np.array([x, distance, y]), np.zeros(3))  # its world has z up: swap y and z
    swap = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]], float)
    rotation = turned[:, :3] @ swap
    rotation[0] *= np.sign(np.linalg.det(rotation))
    centre = np.array([x, y, distance])
    return np.concatenate([rotation, (-rotation @ centre)[:, None]], 1)


def photograph(
    mesh: Mesh, camera: Camera, cam_from_world: NDArray[np.float64], paint: Callable[..., NDArray[np.float64]]
) -> NDArray[np.uint8]:
    """Render a mesh whose surface point p of face f has the colour paint(p, f); black elsewhere."""
    rays = rays_of(camera, cam_from_world)
    hit = caster(mesh).cast_rays(o3d.core.Tensor(rays))
    t = hit["t_hit"].numpy()
    seen = np.isfinite(t)
    points = rays[..., :3] + np.where(seen, t, 0)[..., None] * rays[..., 3:]
    colour = paint(points.astype(float), hit["primitive_ids"].numpy().astype(np.int64) * seen)
    return (np.clip(colour, 0, 255) * seen[..., None] + 0.5).astype(np.uint8)


def caster(mesh: Mesh) -> o3d.t.geometry.RaycastingScene:
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.core.Tensor(mesh.vertices_world), o3d.core.Tensor(mesh.faces.astype(np.uint32)))
    return scene


def rays_of(camera: Camera, cam_from_world: NDArray[np.float64]) -> NDArray[np.float32]:
    """World rays float32 [H, W, 6] through the pixel centres."""
    ys, xs = np.mgrid[0 : camera.height_px, 0 : camera.width_px] + 0.5
    colmap = pycolmap.Camera(
        model=camera.model, width=camera.width_px, height=camera.height_px, params=list(camera.params)
    )
    tangents = np.asarray(colmap.cam_from_img(np.stack([xs, ys], -1).reshape(-1, 2)))[:, :2]
    directions = np.concatenate([tangents, np.ones((len(tangents), 1))], 1) @ cam_from_world[:, :3]
    centre = -cam_from_world[:, :3].T @ cam_from_world[:, 3]
    rays = np.concatenate([np.broadcast_to(centre, directions.shape), directions], 1)
    return rays.astype(np.float32).reshape(camera.height_px, camera.width_px, 6)


def textured(
    mesh: Mesh,
    camera: Camera,
    poses: list[NDArray[np.float64]],
    photos: list[NDArray[np.uint8]],
    masks: list[NDArray[np.bool_] | None] | None = None,
    atlas_size_px: int = 1024,
    even_exposure: bool = True,
    max_pages: int = 1,
) -> TexturedMesh:
    vectors = np.array([camera_vector(camera, pose) for pose in poses])
    masks = masks or [None] * len(photos)
    return texture_mesh(mesh, vectors, lambda i: (photos[i], masks[i]), atlas_size_px, max_pages, even_exposure)


def texture_at(model: TexturedMesh, face: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bilinear texture [N, 3] at barycentric weights [N, 3] of faces [N]; u right, v up, as OBJ viewers read it."""
    uv = (model.uv[face] * weights[..., None]).sum(1)
    out = np.zeros((len(face), 3))
    for number, page in enumerate(model.pages):
        height, width = page.shape[:2]
        x = np.clip(uv[:, 0] * width - 0.5, 0, width - 1.001)
        y = np.clip((1 - uv[:, 1]) * height - 0.5, 0, height - 1.001)
        i, j = y.astype(int), x.astype(int)
        fy, fx = (y - i)[:, None], (x - j)[:, None]
        grid = page.astype(float)
        upper = (1 - fx) * grid[i, j] + fx * grid[i, j + 1]
        lower = (1 - fx) * grid[i + 1, j] + fx * grid[i + 1, j + 1]
        own = model.face_page[face] == number
        out[own] = ((1 - fy) * upper + fy * lower)[own]
    return out


def surface_samples(
    mesh: Mesh, count: int, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Random faces [N], barycentric weights [N, 3] and the points [N, 3]."""
    rng = np.random.default_rng(seed)
    face = rng.integers(0, len(mesh.faces), count)
    weights = rng.dirichlet((1, 1, 1), count)
    points = (mesh.vertices_world[mesh.faces[face]] * weights[..., None]).sum(1)
    return face, weights, points


def render_textured(
    model: TexturedMesh, camera: Camera, cam_from_world: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Image float [H, W, 3] of the textured mesh and where it is hit."""
    hit = caster(model.mesh).cast_rays(o3d.core.Tensor(rays_of(camera, cam_from_world)))
    seen = np.isfinite(hit["t_hit"].numpy())
    b = hit["primitive_uvs"].numpy()[seen].astype(float)
    weights = np.concatenate([1 - b.sum(1, keepdims=True), b], 1)
    image = np.zeros((*seen.shape, 3))
    image[seen] = texture_at(model, hit["primitive_ids"].numpy()[seen].astype(np.int64), weights)
    return image, seen
