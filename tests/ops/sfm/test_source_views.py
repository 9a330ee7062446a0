"""View selection and depth range on scenes whose answer is known."""

from __future__ import annotations

import numpy as np

from e2e3d.data.scene import Camera, Scene, SceneImage
from e2e3d.ops.sfm.source_views import depth_range, score_sources, select_sources


def scene_of(centres: list[float], points: np.ndarray) -> Scene:
    """Cameras that look along z from (x, 0, 0), all of which see all points."""
    images = tuple(
        SceneImage(f"{i}", i, 1, np.concatenate([np.eye(3), [[-x], [0], [0]]], 1)) for i, x in enumerate(centres)
    )
    count = len(points)
    px = [(points[:, :2] - (x, 0)) / points[:, 2:] * 500 + (320, 240) for x in centres]
    return Scene(
        cameras=(Camera(1, "PINHOLE", 640, 480, (500.0, 500.0, 320.0, 240.0)),),
        images=images,
        points_world=points,
        colors=np.zeros((count, 3), np.uint8),
        errors_px=np.zeros(count, np.float32),
        observation_image=np.tile(np.arange(len(centres), dtype=np.int32), count),
        observation_point=np.repeat(np.arange(count, dtype=np.int32), len(centres)),
        observation_px=np.stack(px, 1).reshape(-1, 2).astype(np.float32),
    )


def cloud(count: int = 300) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.uniform(-1, 1, (count, 2)), rng.uniform(4, 6, (count, 1))], 1)


def test_a_good_angle_beats_a_tiny_and_a_huge_one():
    scene = scene_of([0.0, 0.02, 0.9, 7.0], cloud())
    sources, scores = select_sources(scene, 0, 10)
    assert sources[0] == 2
    assert scores[0] == 1
    assert (np.diff(scores) <= 0).all()
    assert 0 not in sources


def test_a_view_that_shares_nothing_scores_nothing():
    scene = scene_of([0.0, 0.9, 1.0], cloud())
    keep = scene.observation_image != 2
    scene = Scene(
        scene.cameras,
        scene.images,
        scene.points_world,
        scene.colors,
        scene.errors_px,
        scene.observation_image[keep],
        scene.observation_point[keep],
        scene.observation_px[keep],
    )
    assert score_sources(scene, 0)[2] == 0
    assert select_sources(scene, 0, 10)[0] == (1,)
    assert select_sources(scene, 2, 10)[0] == ()
    assert depth_range(scene, 2) == (0, 0)


def test_the_depth_range_holds_the_points_and_ignores_outliers():
    points = cloud()
    points[0, 2], points[1, 2] = 0.01, 1e6
    near, far = depth_range(scene_of([0.0, 1.0], points), 0)
    assert 1.5 < near <= 0.5 * points[2:, 2].min() * 1.05  # what stands on the ground may rise half way to the camera
    assert 6 < far < 20
