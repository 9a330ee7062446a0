"""Photographs of a plaster figure: the sculpture of the sample scene, nearly white, on black."""

from __future__ import annotations

import cv2
import numpy as np
import open3d as o3d

from e2e3d.ops.sample.sample_scene import build_sample_scene, look_at
from e2e3d.ops.sample.sample_shading import KNOT, PLINTH, SUN, pinhole_rays, shade

WIDTH, HEIGHT = 640, 480
INTRINSICS = (900.0, 900.0, 320.0, 240.0)
RADIUS = 3.4


def ring_poses(count: int) -> np.ndarray:
    """cam_from_world [count, 3, 4], all around the figure."""
    angles = 2 * np.pi * np.arange(count) / count
    centres = [(RADIUS * np.cos(angle), RADIUS * np.sin(angle), 2.2) for angle in angles]
    return np.array([look_at(np.array(centre), np.array([0.0, 0.0, 1.0])) for centre in centres])


def plaster_photographs(poses: np.ndarray, contrast: float = 0.12, noise: float = 1.2) -> list[np.ndarray]:
    """uint8 [HEIGHT, WIDTH, 3] each; `contrast` scales the pattern of the surface, `noise` is in grey levels."""
    scene = build_sample_scene(200)
    kept = np.isin(scene.materials, [KNOT, PLINTH])
    faces, materials, vertices = scene.faces[kept], scene.materials[kept], scene.vertices_world
    mesh = o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(vertices), o3d.utility.Vector3iVector(faces))
    normals = np.asarray(mesh.compute_vertex_normals().vertex_normals)
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(o3d.core.Tensor(vertices), o3d.core.Tensor(faces.astype(np.uint32)))
    random = np.random.default_rng(3)
    photographs = []
    for pose in poses:
        rays = pinhole_rays(tuple(2 * value for value in INTRINSICS), pose, 2 * WIDTH, 2 * HEIGHT, (0.5, 0.5))
        hits = {name: tensor.numpy() for name, tensor in caster.cast_rays(o3d.core.Tensor(rays)).items()}
        hit = np.isfinite(hits["t_hit"])
        face, (u, v) = hits["primitive_ids"][hit].astype(np.int64), hits["primitive_uvs"][hit].T[..., None]
        points = (rays[hit, :3] + hits["t_hit"][hit, None] * rays[hit, 3:]).astype(np.float64)
        a, b, c = normals[faces[face]].transpose(1, 0, 2)
        normal = (1 - u - v) * a + u * b + v * c
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        pattern = np.empty(len(points))
        for material in (KNOT, PLINTH):
            of_it = materials[face] == material
            facing_sun = np.tile(np.asarray(SUN, np.float64), (of_it.sum(), 1))
            pattern[of_it] = shade(points[of_it], facing_sun, material).mean(axis=1)
        albedo = 0.6 * (1 + contrast * (pattern - 0.35) / 0.35)
        grey = np.zeros((2 * HEIGHT, 2 * WIDTH), np.float32)
        grey[hit] = albedo * (0.35 + 0.5 * np.clip(normal @ SUN, 0, None) + 0.1 * normal[:, 2])
        grey = cv2.GaussianBlur(cv2.resize(grey, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), (0, 0), 0.5)
        grey = (255 * grey + 4 + random.normal(0, noise, grey.shape)).clip(0, 255).round()
        photographs.append(np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2))
    return photographs
