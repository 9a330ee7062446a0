"""Surveys from above have no holes in the view from above; other sets are left as they are."""

from __future__ import annotations

import cv2
import numpy as np
import open3d as o3d
import pytest
from numpy.typing import NDArray

from e2e3d.config.fusion import FusionConfig
from e2e3d.config.mesh import MeshConfig
from e2e3d.data.dense import DepthMap, View
from e2e3d.data.mesh import Mesh
from e2e3d.ops.fusion.fusion_view import prepare_view
from e2e3d.ops.fusion.height_field import looks_down, with_filled_heights
from e2e3d.ops.fusion.point_fusion import fuse_view, merge_clouds
from e2e3d.ops.mesh.meshing import build_mesh
from e2e3d.ops.sample.sample_shading import pinhole_rays
from tests.ops.exact_views import orbit
from tests.ops.open_scenes import caster_of
from tests.ops.street_scene import heights_at, street_cameras

SIZE, HEIGHT_M, SIDE_M = 120, 20.0, 9.0
Pairs = list[tuple[View, DepthMap]]


def terrain(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.floating]:
    """Height of a meadow that rises to the forest left of x = 0, whose crowns are round and 2 m high."""
    crowns = 0.5 * np.sin(2.1 * x + 0.4) * np.sin(1.9 * y)
    return np.asarray(0.05 * y + (1.5 + crowns) / (1 + np.exp(np.clip(4 * x, -30, 30))))


def survey(kept: float) -> Pairs:
    """Views straight down with exact depth; of the forest a share `kept` is left, in patches, and scattered."""
    steps = np.linspace(-SIDE_M - 4, SIDE_M + 4, 200)
    xs, ys = np.meshgrid(steps, steps)
    vertices = np.stack([xs, ys, terrain(xs, ys)], -1).reshape(-1, 3).astype(np.float32)
    grid = np.arange(len(vertices)).reshape(xs.shape)
    a, b, c, d = (g.ravel() for g in (grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]))
    caster = caster_of(vertices, np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)]).astype(np.int32))
    intrinsics = np.array([1.5 * SIZE, 1.5 * SIZE, SIZE / 2, SIZE / 2])
    pairs: Pairs = []
    for i, (x, y) in enumerate((x, y) for x in (-4.0, 0.0, 4.0) for y in (-4.0, 0.0, 4.0)):
        R = np.diag([1.0, -1, -1])
        pose = np.concatenate([R, -(R @ (x, y, HEIGHT_M))[:, None]], 1)
        rays = pinhole_rays(tuple(intrinsics), pose, SIZE, SIZE, (0.5, 0.5))
        answer = {name: tensor.numpy() for name, tensor in caster.cast_rays(o3d.core.Tensor(rays)).items()}
        depth = answer["t_hit"].astype(np.float32)
        points = rays[..., :3] + depth[..., None] * rays[..., 3:]
        rng = np.random.default_rng(i)
        blobs = cv2.GaussianBlur(np.random.default_rng(7).normal(size=(64, 64)), (0, 0), 2)
        cell = np.clip(((points[..., :2] + 16) * 2).astype(int), 0, 63)
        patch = blobs[cell[..., 1], cell[..., 0]] <= np.quantile(blobs, kept)
        forest = points[..., 0] < 0
        noise = 1 + np.where(forest, 0.004 * rng.normal(size=depth.shape), 0)
        depth = np.where(forest & ~patch, 0, depth * noise).astype(np.float32)
        normals = answer["primitive_normals"] * np.sign(answer["primitive_normals"][..., 2:]) * (depth > 0)[..., None]
        others = tuple(j for j in range(9) if j != i)
        image = rng.integers(60, 200, (SIZE, SIZE, 1), np.uint8).repeat(3, 2)
        view = View(
            f"{i}.jpg", i, image, None, intrinsics, pose, (5.0, 40.0), others, np.ones(8, np.float32),
            np.zeros((0, 2), np.float32), np.zeros(0, np.float32),
        )  # fmt: skip
        pairs.append((view, DepthMap(depth, (normals @ R.T).astype(np.float32), 0.9 * (depth > 0).astype(np.float32))))
    return pairs


def meshed(pairs: Pairs) -> Mesh:
    prepared = [prepare_view(*pair) for pair in pairs]
    cloud = merge_clouds([fuse_view(a, [b for b in prepared if b is not a], FusionConfig()) for a in prepared])
    return build_mesh(cloud, pairs, MeshConfig(max_faces=50_000), 2)


@pytest.mark.parametrize(("kept", "covered"), [(0.5, 0.99), (0.25, 0.97)])
def test_a_forest_of_patches_has_no_holes_from_above(kept: float, covered: float) -> None:
    mesh = meshed(survey(kept))
    xs, ys = np.meshgrid(np.arange(-6, 6, 0.2), np.arange(-6, 6, 0.2))
    places = np.stack([xs.ravel(), ys.ravel(), np.full(xs.size, -2.0)], 1)
    height = heights_at(mesh.vertices_world, mesh.faces, places) - 2
    assert np.isfinite(height).mean() > covered
    error = np.abs(height - terrain(places[:, 0], places[:, 1]))
    assert np.median(error[places[:, 0] > 1]) < 0.03  # the meadow is as exact as it was
    assert np.quantile(error[np.isfinite(height)], 0.9) < 0.6


def poses(views: list[View]) -> NDArray[np.float64]:
    return np.array([view.cam_from_world for view in views])


def test_only_sets_that_look_straight_down_are_surveys() -> None:
    views = [view for view, _ in survey(1.0)]
    assert looks_down(poses(views))
    assert not looks_down(poses(views[:2]))
    assert not looks_down(poses(orbit(5, size_px=8)[0]))
    assert not looks_down(np.array(street_cameras(3, 32, 24)[1]))
    assert not looks_down(poses(views) @ np.diag([-1.0, 1, -1, 1]))  # from below


def test_added_points_are_seen_by_a_view_and_lie_between_their_neighbours() -> None:
    pairs = survey(0.5)
    prepared = [prepare_view(*pair) for pair in pairs]
    cloud = merge_clouds([fuse_view(a, [b for b in prepared if b is not a], FusionConfig()) for a in prepared])
    filled = with_filled_heights(cloud, [view for view, _ in pairs], 0.3)
    added = filled.points_world[len(cloud.points_world) :]
    assert len(added) > 1000
    np.testing.assert_array_equal(filled.points_world[: len(cloud.points_world)], cloud.points_world)
    inner = added[np.abs(added[:, :2]).max(1) < 6]
    assert (inner[:, 0] < 0.7).mean() > 0.95  # in the forest, where depths are lost
    assert added[:, 2].min() > cloud.points_world[:, 2].min() - 0.5
    assert added[:, 2].max() < cloud.points_world[:, 2].max() + 0.5
    assert len(filled.view_offsets) == len(filled.points_world) + 1
    assert filled.view_offsets[-1] == len(filled.view_indices)
