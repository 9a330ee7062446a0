"""The empty background of views, and models that leave the space before it open."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from e2e3d.config.fusion import FusionConfig
from e2e3d.config.mesh import MeshConfig
from e2e3d.data.dense import DepthMap, View
from e2e3d.data.mesh import Mesh
from e2e3d.ops.fusion.empty_background import empty_background, projects_into
from e2e3d.ops.fusion.fusion_view import prepare_view
from e2e3d.ops.fusion.point_fusion import fuse_view, merge_clouds
from e2e3d.ops.mesh.meshing import build_mesh
from tests.ops import open_scenes
from tests.ops.open_scenes import arc_poses, covered_background, exact_map, open_views

SIZE, GROWN = 200, 8


def frame(background: int, gap: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A textured square with a slit of `gap` pixels before something plain; where the square is."""
    rng = np.random.default_rng(0)
    thing = np.zeros((120, 120), bool)
    thing[30:90, 30:90] = True
    thing[40:80, 60 : 60 + gap] = False
    texture = rng.integers(60, 180, (40, 40, 1)).repeat(3, 0).repeat(3, 1)
    image = np.where(thing[..., None], texture, background) + rng.normal(0, 1.2, (120, 120, 3))
    return np.clip(image + 0.5, 0, 255).astype(np.uint8), thing


@pytest.mark.parametrize("background", [4, 250])
def test_background_is_found_below_what_has_grown_over_it(background: int) -> None:
    image, thing = frame(background, 20)
    grown = cv2.dilate(thing.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    found = empty_background(image, np.where(grown, 2, 0).astype(np.float32))
    inside = cv2.erode((~thing).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert found.bare[inside].mean() > 0.99
    assert not found.any[thing].any()


def test_a_slit_that_depth_covers_may_be_background_and_a_wide_patch_is_not() -> None:
    for gap, narrow in ((10, True), (28, False)):
        image, _ = frame(4, gap)
        depth = np.zeros((120, 120), np.float32)
        depth[26:94, 26:94] = 2
        found = empty_background(image, depth)
        middle = np.s_[45:75, 63 : 57 + gap]
        assert not found.bare[middle].any()
        assert found.narrow[middle].mean() == (1 if narrow else 0)


def test_a_blank_wall_with_depth_is_no_background_and_neither_are_its_holes() -> None:
    image = np.full((120, 120, 3), 240, np.uint8)
    depth = np.full((120, 120), 3, np.float32)
    depth[50:70, 50:70] = depth[:30, :30] = 0
    assert not empty_background(image, depth).any.any()


def test_points_before_the_background() -> None:
    background = np.zeros((10, 10), bool)
    background[:, 5:] = True
    points = np.array([[1.0, 0, 4], [-1.0, 0, 4], [1.0, 0, -4], [90, 0, 4]])
    k = np.array([10.0, 10, 5, 5])
    assert projects_into(points, background, k, np.eye(3, 4)).tolist() == [True, False, False, False]


def grown(depth_map: DepthMap) -> DepthMap:
    """A depth map as stereo makes it before something plain: `GROWN` pixels larger."""
    depth = depth_map.depth
    distance, label = cv2.distanceTransformWithLabels(
        (depth <= 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    pixel = np.zeros(int(label.max()) + 1, np.int64)
    pixel[label[depth > 0]] = np.flatnonzero(depth > 0)
    near = pixel[label]
    kept = distance <= GROWN
    normal = depth_map.normal_cam.reshape(-1, 3)[near] * kept[..., None]
    return DepthMap(np.where(kept, depth.ravel()[near], 0), normal, np.where(kept, np.float32(0.9), 0))


def model(observations: list[tuple[View, DepthMap]]) -> Mesh:
    prepared = [prepare_view(*pair) for pair in observations]
    cloud = merge_clouds([fuse_view(a, [b for b in prepared if b is not a], FusionConfig()) for a in prepared])
    return build_mesh(cloud, observations, MeshConfig(max_faces=50_000), 1)


def hit_pixels(mesh: Mesh, view: View) -> NDArray[np.bool_]:
    """Which pixels [H, W] of a view the mesh covers."""
    caster = open_scenes.caster_of(mesh.vertices_world, mesh.faces)
    return open_scenes.depth_of(caster, view.cam_from_world, SIZE) > 0


@pytest.mark.slow
@pytest.mark.parametrize("background", ["black", "sky"])
def test_space_between_columns_stays_open_and_parts_as_blank_as_the_background_stay(background: str) -> None:
    scene, pairs, bands = open_scenes.arcade(), [], []
    for view in open_views(scene, arc_poses(7), SIZE, background):
        depth_map = exact_map(scene, view.cam_from_world, SIZE)
        points = open_scenes.points_world(view, depth_map.depth)
        bands.append((np.abs(points[..., 2] - 1.38) < 0.06) & (np.abs(points[..., 0]) < 0.5))
        image = np.where(bands[-1][..., None], view.image[0, 0], view.image)
        pairs.append((replace(view, image=image), grown(depth_map)))
    mesh = model(pairs)
    shares = [covered_background(mesh.vertices_world, mesh.faces, scene, pose, SIZE, 2) for pose in arc_poses(4, 0.3)]
    empty, thing = np.mean(shares, axis=0)
    assert empty < 0.005  # 0.03 if nothing says that the background is free
    assert thing > 0.95
    assert min(hit_pixels(mesh, view)[band].mean() for (view, _), band in zip(pairs, bands, strict=True)) > 0.98
