from pathlib import Path

import numpy as np
import pycolmap
import pytest

from e2e3d.data.scene import Camera, Scene, SceneImage
from e2e3d.ops.sfm.colmap_model import reconstruction_to_scene, scene_to_reconstruction
from tests.ops.synthetic_sfm import K, arc_poses, project


@pytest.fixture
def scene() -> Scene:
    poses = arc_poses(3)
    points = np.random.default_rng(0).uniform([-1, -1, 0], [1, 1, 2], (40, 3))
    images = tuple(SceneImage(f"{i}.jpg", 2 * i + 1, 1, pose) for i, pose in enumerate(poses))
    seen = [(p, i) for p in range(40) for i in range(3) if (p + i) % 3 or p % 2]
    observations = np.array([project(points[p : p + 1], poses[i])[0][0] for p, i in seen], np.float32)
    return Scene(
        cameras=(Camera(1, "PINHOLE", 1200, 900, (K[0, 0], K[1, 1], K[0, 2], K[1, 2])),),
        images=images,
        points_world=points,
        colors=np.random.default_rng(1).integers(0, 255, (40, 3)).astype(np.uint8),
        errors_px=np.linspace(0, 1, 40).astype(np.float32),
        observation_image=np.array([i for _, i in seen], np.int32),
        observation_point=np.array([p for p, _ in seen], np.int32),
        observation_px=observations,
    )


def assert_same(a: Scene, b: Scene) -> None:
    assert a.cameras == b.cameras
    for first, second in zip(a.images, b.images, strict=True):
        assert (first.name, first.photo_index, first.camera_id) == (second.name, second.photo_index, second.camera_id)
        np.testing.assert_allclose(first.cam_from_world, second.cam_from_world, atol=1e-12)
    for name in ("points_world", "colors", "errors_px", "observation_image", "observation_point", "observation_px"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_a_scene_survives_the_way_there_and_back(scene: Scene) -> None:
    assert_same(reconstruction_to_scene(scene_to_reconstruction(scene)), scene)


def test_a_scene_survives_colmaps_files(scene: Scene, tmp_path: Path) -> None:
    scene_to_reconstruction(scene).write(tmp_path)
    assert_same(reconstruction_to_scene(pycolmap.Reconstruction(tmp_path)), scene)


def test_colmap_projects_the_points_to_their_observations(scene: Scene) -> None:
    model = scene_to_reconstruction(scene)
    assert model.is_valid()
    model.update_point_3d_errors()
    assert model.compute_mean_reprojection_error() < 1e-3
