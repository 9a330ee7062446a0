"""What records say of geometry: calibration matrices, centres, projection and its inverse."""

from __future__ import annotations

import numpy as np
import pycolmap
import pytest

from e2e3d.data.dense import View
from e2e3d.data.scene import Camera, Scene, SceneImage
from e2e3d.errors import InputError


@pytest.mark.parametrize(
    "model", [name for name in pycolmap.CameraModelId.__members__ if name not in ("INVALID", "EQUIRECTANGULAR")]
)
def test_calibration_matrix_of_every_model_is_that_of_colmap(model: str) -> None:
    camera = pycolmap.Camera.create_from_model_name(1, model, 500.0, 640, 480)
    params = list(camera.params)
    for number, index in enumerate(camera.focal_length_idxs()):
        params[index] = 500.0 + 7 * number
    camera.params = params
    own = Camera(1, model, 640, 480, tuple(params))
    np.testing.assert_array_equal(own.K, camera.calibration_matrix())


def view_from(pose: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> View:
    empty = np.zeros((0, 2), np.float32)
    image = np.zeros((4, 6, 3), np.uint8)
    intrinsics = np.array([5.0, 6.0, 3.2, 1.9])
    return View("a.jpg", 0, image, None, intrinsics, pose, (1, 9), (), empty[:, 0], empty, empty[:, 0])


def pose() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rotation = pycolmap.Rotation3d(np.array([0.1, -0.2, 0.3, 0.9]) / np.linalg.norm([0.1, -0.2, 0.3, 0.9])).matrix()
    return np.concatenate([rotation, [[0.4], [-1.0], [2.0]]], 1)


def test_unprojection_is_the_inverse_of_projection() -> None:
    view = view_from(pose())
    points = np.random.default_rng(0).uniform(-1, 1, (50, 3)) + np.array([0, 0, 3])
    px, depth = view.project(points)
    np.testing.assert_allclose(view.unproject(depth, px), points, atol=1e-12)
    expected = view.K @ (view.cam_from_world[:, :3] @ points[7] + view.cam_from_world[:, 3])
    np.testing.assert_allclose(np.append(px[7], 1) * depth[7], expected, atol=1e-12)


def test_a_depth_map_is_unprojected_from_the_centres_of_its_pixels() -> None:
    view = view_from(pose())
    depth = np.random.default_rng(1).uniform(2, 3, (4, 6)).astype(np.float32)
    points = view.unproject(depth)
    px, back = view.project(points.reshape(-1, 3))
    np.testing.assert_allclose(back.reshape(4, 6), depth, atol=1e-6)
    np.testing.assert_allclose(px.reshape(4, 6, 2)[2, 3], [3.5, 2.5], atol=1e-9)


def test_photographs_of_a_scene_are_found_by_name() -> None:
    nothing = np.zeros(0, np.float32)
    images = tuple(SceneImage(name, i, 1, pose()) for i, name in enumerate(["x/IMG_1.jpg", "x/IMG_2.jpg"]))
    camera = Camera(1, "PINHOLE", 6, 4, (5.0, 6.0, 3.0, 2.0))
    points = np.zeros((0, 3))
    indices = nothing.astype(np.int32)
    scene = Scene((camera,), images, points, points.astype(np.uint8), nothing, indices, indices, points[:, :2])
    assert scene["x/IMG_2.jpg"] is images[1]
    assert list(scene) == list(images)
    assert "x/IMG_2.jpg" in scene
    assert "IMG_2.jpg" not in scene
    seen = scene["x/IMG_1.jpg"]
    np.testing.assert_allclose(
        seen.cam_from_world[:, :3] @ seen.center_world + seen.cam_from_world[:, 3], 0, atol=1e-12
    )
    with pytest.raises(InputError, match=r"Did you mean x/IMG_2\.jpg"):
        scene["IMG_2.jpg"]
    assert repr(scene) == "Scene(2 images, 1 cameras, 0 points, arbitrary)"
