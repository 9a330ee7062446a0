"""Fusion against exact depth maps of a sphere on a floor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from e2e3d.config.fusion import FusionConfig
from e2e3d.data.dense import DepthMap, PointCloud, View
from e2e3d.errors import ReconstructionError
from e2e3d.ops.fusion.fusion_view import prepare_view
from e2e3d.ops.fusion.point_fusion import empty_cloud, fuse_view, merge_clouds, relative_pose
from tests.ops.exact_views import orbit, surface_distance


def fuse_all(
    views: list[View], depths: list[DepthMap], rules: FusionConfig | None = None, threads: int = 1
) -> PointCloud:
    prepared = [prepare_view(view, depth) for view, depth in zip(views, depths, strict=True)]
    return merge_clouds(
        [
            fuse_view(view, [other for other in prepared if other is not view], rules or FusionConfig(), threads)
            for view in prepared
        ]
    )


@pytest.fixture(scope="module")
def scene() -> tuple[list[View], list[DepthMap]]:
    return orbit(8)


@pytest.fixture(scope="module")
def cloud(scene: tuple[list[View], list[DepthMap]]) -> PointCloud:
    return fuse_all(*scene)


def test_exact_depths_give_exact_points(cloud: PointCloud) -> None:
    distance = surface_distance(cloud.points_world) / cloud.footprint
    assert np.quantile(distance, 0.99) < 0.2
    assert distance.max() < 3


def test_normals_and_colours_are_those_of_the_surface(cloud: PointCloud) -> None:
    on_sphere = np.abs(np.linalg.norm(cloud.points_world, axis=1) - 1) < 1e-3
    on_sphere &= cloud.points_world[:, 2] > -0.8
    expected = cloud.points_world[on_sphere]
    cosine = (cloud.normals_world[on_sphere] * expected).sum(1)
    assert np.quantile(cosine, 0.05) > 0.999
    error = np.abs(cloud.colors[on_sphere].astype(float) - 255 * (expected + 1) / 2)
    assert np.median(error) < 2


def test_number_of_points_follows_from_the_footprint_and_not_from_the_views(
    cloud: PointCloud, scene: tuple[list[View], list[DepthMap]]
) -> None:
    single = fuse_all(*scene, FusionConfig(density=1))
    distances, _ = cKDTree(single.points_world).query(single.points_world, 2)
    assert 0.5 < np.median(distances[:, 1] / single.footprint) < 1.5
    assert 1.6 < len(cloud.points_world) / len(single.points_world) < 2.4


def test_everything_that_two_views_see_is_there(cloud: PointCloud, scene: tuple[list[View], list[DepthMap]]) -> None:
    view, depth = scene[0][0], scene[1][0]
    rows, columns = np.nonzero(depth.depth > 0)
    fx, fy, cx, cy = view.intrinsics_px
    rays = np.stack([(columns + 0.5 - cx) / fx, (rows + 0.5 - cy) / fy, np.ones(len(rows))], 1)
    points = (rays * depth.depth[rows, columns, None] - view.cam_from_world[:, 3]) @ view.cam_from_world[:, :3]
    distance, nearest = cKDTree(cloud.points_world).query(points)
    assert np.mean(distance < 2 * cloud.footprint[nearest]) > 0.97


def test_view_lists_name_views_that_see_the_point(cloud: PointCloud, scene: tuple[list[View], list[DepthMap]]) -> None:
    assert np.array_equal(np.diff(cloud.view_offsets), cloud.view_count)
    assert cloud.view_offsets[-1] == len(cloud.view_indices)
    assert cloud.view_count.min() >= 2
    owner = np.repeat(np.arange(len(cloud.view_count)), cloud.view_count)
    for view in scene[0]:
        points = cloud.points_world[owner[cloud.view_indices == view.image_index]]
        points_cam = points @ view.cam_from_world[:, :3].T + view.cam_from_world[:, 3]
        px = view.intrinsics_px[:2] * points_cam[:, :2] / points_cam[:, 2:] + view.intrinsics_px[2:]
        assert np.all((px > -1) & (px < view.image.shape[0] + 1))


def test_noise_is_averaged_and_outliers_do_not_survive(scene: tuple[list[View], list[DepthMap]]) -> None:
    views, exact = scene
    rng = np.random.default_rng(5)
    noisy = []
    for depth_map in exact:
        depth = depth_map.depth * (1 + 0.002 * rng.standard_normal(depth_map.depth.shape))
        wrong = rng.random(depth.shape) < 0.1
        depth[wrong] *= rng.uniform(0.6, 1.4, wrong.sum())
        noisy.append(replace(depth_map, depth=depth.astype(np.float32)))
    cloud = fuse_all(views, noisy)
    distance = surface_distance(cloud.points_world)
    assert np.mean(distance > 0.06) < 0.01
    assert np.median(distance[cloud.view_count >= 4]) < 0.75 * np.median(distance[cloud.view_count == 2])


def test_confidence_grows_with_the_number_of_views(cloud: PointCloud) -> None:
    assert cloud.confidence.min() > 0
    assert cloud.confidence.max() <= 1
    means = [cloud.confidence[cloud.view_count == n].mean() for n in (2, 3, 4)]
    assert means == sorted(means)


def test_masks_keep_pixels_out(scene: tuple[list[View], list[DepthMap]]) -> None:
    views, depths = scene
    masked = [replace(view, mask=(np.arange(160) >= 80)[None].repeat(160, 0)) for view in views]
    cloud = fuse_all(masked, depths)
    owner = np.repeat(np.arange(len(cloud.view_count)), cloud.view_count)
    points = cloud.points_world[owner[cloud.view_indices == 0]]
    points_cam = points @ views[0].cam_from_world[:, :3].T + views[0].cam_from_world[:, 3]
    column = views[0].intrinsics_px[0] * points_cam[:, 0] / points_cam[:, 2] + views[0].intrinsics_px[2]
    assert column.min() > 79


def test_threads_do_not_change_the_result(cloud: PointCloud, scene: tuple[list[View], list[DepthMap]]) -> None:
    again = fuse_all(*scene, threads=3)
    assert np.array_equal(again.points_world, cloud.points_world)
    assert np.array_equal(again.view_indices, cloud.view_indices)


def test_merging_nothing_says_what_to_do() -> None:
    with pytest.raises(ReconstructionError) as caught:
        merge_clouds([empty_cloud(), empty_cloud()])
    assert caught.value.code == "no-dense-points"
    assert caught.value.hint


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_relative_pose_chains(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (
        np.concatenate([Rotation.random(random_state=rng).as_matrix(), rng.standard_normal((3, 1))], 1) for _ in "ab"
    )
    pose = relative_pose(first, second)
    point = rng.standard_normal(3)
    in_first = first[:, :3] @ point + first[:, 3]
    assert np.allclose(pose[:, :3] @ in_first + pose[:, 3], second[:, :3] @ point + second[:, 3])
