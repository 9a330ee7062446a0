"""Refinement on exact views of a textured unit sphere: a bent mesh must come back, and stay where there is nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import open3d as o3d
import pytest

from e2e3d.data.dense import View
from e2e3d.ops.mesh.mesh_photometric import RefineRules, refine_vertices
from tests.ops.exact_views import orbit

VIEWS, SIZE_PX = 10, 256


@pytest.fixture(scope="module")
def views() -> list[View]:
    """Photographs of the sphere with a pattern of 3 to 12 pixels, no floor."""
    painted = []
    for view, depth_map in zip(*orbit(VIEWS, SIZE_PX, floor=False), strict=True):
        fx, fy, cx, cy = view.intrinsics_px
        ys, xs = np.mgrid[0:SIZE_PX, 0:SIZE_PX]
        rays = np.stack([(xs + 0.5 - cx) / fx, (ys + 0.5 - cy) / fy, np.ones(xs.shape)], -1)
        pose = view.cam_from_world
        points = (rays * depth_map.depth[..., None] - pose[:, 3]) @ pose[:, :3]
        painted.append(replace(view, image=_pattern(points, depth_map.depth > 0)))
    return painted


def _pattern(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(5)
    grey = np.zeros(points.shape[:2])
    for wave in random.normal(0, 18, (24, 3)):
        grey += np.sin(points @ wave + random.uniform(0, 6.28))
    grey = np.where(seen, np.clip(128 + 18 * grey, 0, 255), 0)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def bent_sphere() -> tuple[np.ndarray, np.ndarray]:
    """A sphere with bumps of about one pixel."""
    sphere = o3d.geometry.TriangleMesh.create_sphere(1.0, 60)
    vertices = np.asarray(sphere.vertices)
    x, y, z = vertices.T
    bumps = 0.01 * np.sin(9 * x + 1) * np.sin(8 * y) + 0.006 * np.sin(17 * z + 3 * x)
    return (vertices * (1 + bumps[:, None])).astype(np.float32), np.asarray(sphere.triangles).astype(np.int32)


def seen_error(vertices: np.ndarray) -> float:
    """Root mean square distance to the sphere where several views look."""
    seen = (vertices[:, 2] > -0.2) & (vertices[:, 2] < 0.8)
    return float(np.sqrt(np.mean((np.linalg.norm(vertices[seen], axis=1) - 1) ** 2)))


def test_bumps_that_the_photographs_do_not_show_go_away(views: list[View]) -> None:
    vertices, faces = bent_sphere()
    refined = refine_vertices(vertices, faces, [lambda view=view: view for view in views], RefineRules(steps=4))
    assert seen_error(refined) < 0.35 * seen_error(vertices)


def test_the_exact_surface_stays(views: list[View]) -> None:
    vertices, faces = bent_sphere()
    exact = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    refined = refine_vertices(exact, faces, [lambda view=view: view for view in views], RefineRules(steps=2))
    pixel = 3.0 / (1.3 * SIZE_PX)
    assert seen_error(refined) < 0.12 * pixel


def test_exposure_does_not_matter(views: list[View]) -> None:
    darker = [replace(view, image=(0.6 * view.image + 30 * (i % 2)).astype(np.uint8)) for i, view in enumerate(views)]
    vertices, faces = bent_sphere()
    refined = refine_vertices(vertices, faces, [lambda view=view: view for view in darker], RefineRules(steps=4))
    assert seen_error(refined) < 0.4 * seen_error(vertices)


def test_noise_does_not_move_a_plain_surface(views: list[View]) -> None:
    random = np.random.default_rng(3)
    plain = [replace(view, image=random.normal(128, 6, view.image.shape).astype(np.uint8)) for view in views]
    vertices, faces = bent_sphere()
    refined = refine_vertices(vertices, faces, [lambda view=view: view for view in plain], RefineRules())
    pixel = 3.0 / (1.3 * SIZE_PX)
    assert np.linalg.norm(refined - vertices, axis=1).max() < 0.15 * pixel


def test_relief_that_the_photographs_show_little_of_is_not_worn_down(views: list[View]) -> None:
    plain = [replace(view, image=np.full_like(view.image, 128)) for view in views]
    vertices, faces = bent_sphere()
    refined = refine_vertices(vertices, faces, [lambda view=view: view for view in plain], RefineRules(steps=4))
    assert np.allclose(refined, vertices, atol=1e-6)


def test_the_thin_plate_keeps_a_flat_sheet_that_no_view_sees(views: list[View]) -> None:
    steps = np.linspace(5, 6, 12, dtype=np.float32)
    x, y = np.meshgrid(steps, steps)
    sheet = np.stack([x.ravel(), y.ravel(), np.full(x.size, 50, np.float32)], 1)
    corner = np.arange(11 * 12).reshape(11, 12)[:, :-1].ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + 1, corner + 13], 1), np.stack([corner, corner + 13, corner + 12], 1)]
    )
    refined = refine_vertices(sheet, faces.astype(np.int32), [lambda view=view: view for view in views], RefineRules())
    assert np.array_equal(refined, sheet)
