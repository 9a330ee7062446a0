"""Rims of depth that grew over a silhouette: suspected by colour, refuted by other views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from e2e3d.config.fusion import FusionConfig
from e2e3d.data.dense import DepthMap, View
from e2e3d.ops.fusion.depth_rims import nearest_around, refuted_rims, seen_past, suspect_rims
from e2e3d.ops.fusion.fusion_view import prepare_view
from e2e3d.ops.fusion.point_fusion import fuse_view
from tests.ops.exact_views import orbit, surface_distance

SIZE, RADIUS, GROWN = 120, 30, 7


@pytest.fixture(scope="module")
def disc() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A textured disc before a plain sky: distance from its middle, image, depth that has grown over its edge."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2 + 0.5
    distance = np.hypot(x, y)
    image = np.full((SIZE, SIZE, 3), 240, np.uint8)
    image[distance <= RADIUS] = rng.integers(20, 120, ((distance <= RADIUS).sum(), 3))
    return distance, image, np.where(distance <= RADIUS + GROWN, 2, 0).astype(np.float32)


def test_the_rim_is_suspect_and_the_object_is_not(disc: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    distance, image, depth = disc
    suspect = suspect_rims(depth, image)
    assert suspect[(distance > RADIUS + 2) & (depth > 0)].all()
    assert not suspect[distance < RADIUS - 2].any()
    assert not suspect[depth == 0].any()


def test_without_an_edge_nothing_is_suspect(disc: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    _, image, depth = disc
    assert not suspect_rims(depth, np.full_like(image, 200)).any()


def test_a_rim_goes_as_a_whole_when_a_share_of_it_is_refuted() -> None:
    suspect = np.zeros((20, 40), bool)
    suspect[5:15, 5:15] = suspect[5:15, 25:35] = True
    refuted = np.zeros(suspect.shape, bool)
    refuted[5:7, 5:15] = True
    refuted[5, 25:35] = True
    gone = refuted_rims(suspect, refuted[suspect])
    assert gone[5:15, 5:15].all()
    assert gone.sum() == 100


def test_points_before_sure_depth_are_seen_past() -> None:
    depth = np.full((10, 10), 4, np.float32)
    confidence = np.ones((10, 10), np.float32)
    confidence[:, 7:] = 0.1
    pose = np.eye(3, 4)
    k = np.array([10.0, 10.0, 5.0, 5.0])
    points = np.array([[0, 0, 2.0], [0, 0, 3.5], [0, 0, 5], [0.7, 0, 2], [0, 0, -2], [9, 0, 2]])
    past = seen_past(points, nearest_around(depth, confidence), k, pose)
    assert past.tolist() == [True, False, False, False, False, False]


def with_shell(view: View, depth_map: DepthMap) -> tuple[View, DepthMap]:
    """Lay a plain sky around what a view of the sphere sees, and let the depth grow over it."""
    import cv2

    seen = depth_map.depth > 0
    rng = np.random.default_rng(view.image_index)
    image = np.where(seen[..., None], rng.integers(20, 120, view.image.shape), 240).astype(np.uint8)
    around = np.ones((9, 9), np.uint8)
    rim = (cv2.dilate(seen.astype(np.uint8), around) > 0) & ~seen
    return replace(view, image=image), DepthMap(
        np.where(rim, cv2.dilate(depth_map.depth, around), depth_map.depth).astype(np.float32),
        np.where(rim[..., None], np.float32([0, 0, -1]), depth_map.normal_cam).astype(np.float32),
        np.where(rim, np.float32(0.9), depth_map.confidence).astype(np.float32),
    )


def test_the_shell_around_a_sphere_does_not_get_into_the_cloud() -> None:
    views, depths = orbit(8)
    ball = []
    for view, depth_map in zip(views, depths, strict=True):
        ys, xs = np.mgrid[: len(depth_map.depth), : depth_map.depth.shape[1]]
        fx, fy, cx, cy = view.intrinsics_px
        rays = np.stack([(xs + 0.5 - cx) / fx, (ys + 0.5 - cy) / fy, np.ones(xs.shape)], -1)
        points = (rays * depth_map.depth[..., None] - view.cam_from_world[:, 3]) @ view.cam_from_world[:, :3]
        on_ball = np.linalg.norm(points, axis=-1) < 1.02
        ball.append(with_shell(view, replace(depth_map, depth=np.where(on_ball, depth_map.depth, 0))))
    prepared = [prepare_view(*pair) for pair in ball]
    reference, others = prepared[0], prepared[1:]
    spoilt = fuse_view(
        replace(reference, suspect=np.zeros_like(reference.suspect)), others, FusionConfig(min_evidence=0.1)
    )
    clean = fuse_view(reference, others, FusionConfig(min_evidence=0.1))
    assert surface_distance(spoilt.points_world).max() > 0.05
    assert surface_distance(clean.points_world).max() < 0.005
    assert len(clean.points_world) > 0.9 * (len(spoilt.points_world) - reference.suspect.sum())
