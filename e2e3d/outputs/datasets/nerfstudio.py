"""``transforms.json`` of nerfstudio: poses are ``world_from_cam`` in OpenGL axes (x right, y up, z back)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Camera, Scene
from e2e3d.errors import InputError
from e2e3d.outputs.datasets.dataset_pictures import picture_name

_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # between axes of OpenCV and OpenGL
_DISTORTION: dict[str, tuple[str, ...]] = {
    "SIMPLE_PINHOLE": (),
    "PINHOLE": (),
    "SIMPLE_RADIAL": ("k1",),
    "RADIAL": ("k1", "k2"),
    "OPENCV": ("k1", "k2", "p1", "p2"),
    "OPENCV_FISHEYE": ("k1", "k2", "k3", "k4"),
}


def transforms_document(scene: Scene, points_file: str) -> dict[str, Any]:
    """The document, of plain JSON values; every frame has its own calibration.

    Raises:
        InputError: ``camera-model`` for a lens that nerfstudio has no model of.
    """
    frames = [
        {
            "file_path": f"images/{picture_name(image.name)}",
            "transform_matrix": opengl_world_from_cam(image.cam_from_world).tolist(),
            **_calibration(scene.camera_of(image)),
        }
        for image in scene.images
    ]
    return {"frames": frames, "ply_file_path": points_file}


def opengl_world_from_cam(cam_from_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 4 x 4 matrix of nerfstudio, from a pose [3, 4]."""
    matrix: NDArray[np.float64] = np.linalg.inv(np.vstack([cam_from_world, [0, 0, 0, 1]])) @ _FLIP
    return matrix


def _calibration(camera: Camera) -> dict[str, Any]:
    if camera.model not in _DISTORTION:
        raise InputError(
            "camera-model",
            f"nerfstudio has no camera model like {camera.model}.",
            "Export undistorted photographs instead: undistorted=True.",
        )
    K, names = camera.K, _DISTORTION[camera.model]
    values = camera.params[len(camera.params) - len(names) :]
    return {
        "camera_model": "OPENCV_FISHEYE" if camera.model == "OPENCV_FISHEYE" else "OPENCV",
        "fl_x": float(K[0, 0]),
        "fl_y": float(K[1, 1]),
        "cx": float(K[0, 2]),
        "cy": float(K[1, 2]),
        "w": camera.width_px,
        "h": camera.height_px,
        **dict(zip(names, values, strict=True)),
    }
