"""Which points a surface is built from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from e2e3d.data.dense import PointCloud
from e2e3d.ops.mesh.mesh_points import has_neighbours, take_points, triangulation_angles, well_triangulated


def cloud_of(points: np.ndarray, views: list[list[int]], footprint: float = 0.01) -> PointCloud:
    count = len(points)
    return PointCloud(
        points_world=points.astype(np.float32),
        normals_world=np.tile(np.float32([0, 0, 1]), (count, 1)),
        colors=np.arange(3 * count, dtype=np.uint8).reshape(count, 3),
        confidence=np.ones(count, np.float32),
        view_count=np.array([len(of_point) for of_point in views], np.uint16),
        footprint=np.full(count, footprint, np.float32),
        view_offsets=np.cumsum([0] + [len(of_point) for of_point in views]).astype(np.int64),
        view_indices=np.array([view for of_point in views for view in of_point], np.int32),
    )


def test_angles_are_the_widest_from_the_first_view() -> None:
    cloud = cloud_of(np.zeros((3, 3)), [[4, 7], [7, 4, 2], [2]])
    centers = np.array([[1, 0, 0], [0, 2, 0], [-3, 0.0, 0]])
    angles = triangulation_angles(cloud, centers, np.array([4, 7, 2], np.int32))
    assert np.allclose(angles, [90, 90, 0], atol=0.05)
    assert np.allclose(triangulation_angles(cloud, centers[:1], np.array([4], np.int32)), 0, atol=0.05)


def test_far_background_is_not_well_placed_and_multiple_scales_are() -> None:
    cloud = cloud_of(np.zeros((5, 3)), [[0, 1, 2]] * 2 + [[0, 1]] * 3)
    cloud = replace(cloud, footprint=np.float32([0.01, 0.01, 0.05, 0.1, 0.01]))
    angles = np.float32([60, 70, 50, 3, 0])
    assert well_triangulated(cloud, angles, 20).tolist() == [True, True, True, False, False]


def test_lonely_points_are_told_from_a_surface() -> None:
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(20), [0]), -1).reshape(-1, 3) * 0.01
    points = np.concatenate([grid, [[0.1, 0.1, 0.2], [1, 1, 1]]])
    cloud = cloud_of(points, [[0, 1]] * len(points))
    keep = has_neighbours(cloud.points_world, cloud.footprint, 6, 3.0)
    assert keep[:-2].all()
    assert not keep[-2:].any()


@pytest.mark.parametrize("spread", [0.0, 0.5, 3.0])
def test_company_is_counted_within_the_radius_of_each_point(spread: float) -> None:
    random = np.random.default_rng(7)
    points = np.concatenate([random.normal(0, 1, (4000, 3)), random.normal(0, 30, (500, 3))]).astype(np.float32)
    footprint = (0.05 * np.exp(random.normal(0, spread, len(points)))).astype(np.float32)
    distance = cKDTree(points).query(points, 7)[0][:, -1]
    neighboured = distance <= np.float32(3) * footprint
    assert 0.01 < neighboured.mean() < 0.99
    assert (has_neighbours(points, footprint, 6, 3.0) == neighboured).all()


def test_points_in_one_place_are_company_even_without_a_radius() -> None:
    assert has_neighbours(np.zeros((7, 3), np.float32), np.zeros(7, np.float32), 6, 3.0).all()
    assert not has_neighbours(np.zeros((6, 3), np.float32), np.zeros(6, np.float32), 6, 3.0).any()
    assert has_neighbours(np.zeros((0, 3), np.float32), np.zeros(0, np.float32), 6, 3.0).shape == (0,)


def test_taking_points_keeps_their_views() -> None:
    cloud = cloud_of(np.arange(9).reshape(3, 3), [[0, 1], [2], [3, 4, 5]])
    taken = take_points(cloud, np.array([True, False, True]))
    assert taken.view_offsets.tolist() == [0, 2, 5]
    assert taken.view_indices.tolist() == [0, 1, 3, 4, 5]
    assert taken.points_world.tolist() == cloud.points_world[[0, 2]].tolist()
