"""Cameras of a ``transforms.json``, as nerfstudio and scanning apps write it: poses in the axes of OpenGL and ARKit.

Poses are ``world_from_cam`` with x right, y up and z back; pixels count as in COLMAP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Camera
from e2e3d.errors import InputError

_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # between axes of OpenCV and OpenGL
_PERSPECTIVE = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")


def cameras_of_transforms(document: Mapping[str, Any]) -> dict[str, tuple[NDArray[np.float64], Camera | None]]:
    """Pose cam_from_world [3, 4] and camera of each frame by its ``file_path``.

    The camera is None where neither the frame nor the document states a focal length in pixels (``fl_x``), and its size
    is 0 where none is stated.

    Raises:
        InputError: ``camera-model`` for a lens without a model here.
        KeyError, TypeError, ValueError: for a document of another form.
    """
    found = {}
    for frame in document["frames"]:
        matrix = np.asarray(frame["transform_matrix"], np.float64)
        pose: NDArray[np.float64] = np.linalg.inv(np.vstack([matrix.reshape(-1, 4)[:3], [0, 0, 0, 1]]) @ _FLIP)[:3]
        found[str(frame["file_path"])] = pose, _stated_camera({**document, **frame})
    return found


def _stated_camera(stated: Mapping[str, Any]) -> Camera | None:
    if "fl_x" not in stated:
        return None
    width, height = int(stated.get("w", 0)), int(stated.get("h", 0))
    focal = float(stated["fl_x"]), float(stated.get("fl_y", stated["fl_x"]))
    params = (*focal, float(stated.get("cx", width / 2)), float(stated.get("cy", height / 2)))
    model = str(stated.get("camera_model", "OPENCV"))
    k1, k2, k3, k4, p1, p2 = (float(stated.get(name, 0.0)) for name in ("k1", "k2", "k3", "k4", "p1", "p2"))
    if model == "OPENCV_FISHEYE":
        return Camera(1, model, width, height, (*params, k1, k2, k3, k4))
    if model not in _PERSPECTIVE:
        raise InputError(
            "camera-model",
            f"A camera of transforms.json is {model}, which is not known here.",
            "Undistort its pictures.",
        )
    if k3 or k4:
        return Camera(1, "FULL_OPENCV", width, height, (*params, k1, k2, p1, p2, k3, k4, 0.0, 0.0))
    if k1 or k2 or p1 or p2:
        return Camera(1, "OPENCV", width, height, (*params, k1, k2, p1, p2))
    return Camera(1, "PINHOLE", width, height, params)
