import numpy as np
import pycolmap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e3d.data.scene import Camera
from e2e3d.errors import ReconstructionError
from e2e3d.ops.texturing.camera import camera_vector, project_points

MODELS = {
    "SIMPLE_PINHOLE": (500.0, 320.0, 240.0),
    "PINHOLE": (500.0, 510.0, 320.0, 240.0),
    "SIMPLE_RADIAL": (500.0, 320.0, 240.0, -0.1),
    "RADIAL": (500.0, 320.0, 240.0, -0.1, 0.02),
    "OPENCV": (500.0, 510.0, 320.0, 240.0, -0.1, 0.02, 0.003, -0.002),
    "FULL_OPENCV": (500.0, 510.0, 320.0, 240.0, -0.1, 0.02, 0.003, -0.002, 0.01, 0.02, -0.01, 0.005),
    "SIMPLE_RADIAL_FISHEYE": (400.0, 320.0, 240.0, -0.02),
    "RADIAL_FISHEYE": (400.0, 320.0, 240.0, -0.02, 0.004),
    "OPENCV_FISHEYE": (400.0, 410.0, 320.0, 240.0, -0.02, 0.004, 0.001, -0.001),
}
POSE = np.concatenate([np.eye(3), [[0.1], [-0.2], [0.3]]], 1)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=30, deadline=None)
@given(x=st.floats(-0.5, 0.5), y=st.floats(-0.4, 0.4), z=st.floats(0.5, 9))
def test_projection_is_colmaps(model: str, x: float, y: float, z: float) -> None:
    camera = Camera(1, model, 640, 480, MODELS[model])
    point_cam = np.array([x * z, y * z, z])
    expected = pycolmap.Camera(model=model, width=640, height=480, params=list(MODELS[model])).img_from_cam(point_cam)
    point_world = (point_cam - POSE[:, 3]).astype(np.float32)
    u, v, depth = project_points(camera_vector(camera, POSE), point_world[None])[0]
    assert np.allclose((u, v), expected, atol=2e-3)
    assert depth == pytest.approx(z, rel=1e-5)


def test_points_behind_and_far_outside_are_not_in_view() -> None:
    camera = Camera(1, "SIMPLE_RADIAL", 640, 480, (500.0, 320.0, 240.0, -0.3))
    points = np.array([[0, 0, -1], [5, 0, 1], [0, 0, 1]], np.float32)
    pose = np.concatenate([np.eye(3), np.zeros((3, 1))], 1)
    assert (project_points(camera_vector(camera, pose), points)[:, 2] > 0).tolist() == [False, False, True]


def test_unknown_model_is_named() -> None:
    camera = Camera(1, "THIN_PRISM_FISHEYE", 640, 480, (1.0,) * 12)
    with pytest.raises(ReconstructionError, match="THIN_PRISM_FISHEYE"):
        camera_vector(camera, POSE)
