"""COLMAP's camera models as one numeric vector, projected inside Numba kernels.

Every perspective model of COLMAP is a special case of FULL_OPENCV, every fisheye model used here one of OPENCV_FISHEYE,
so two formulas cover them all.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Camera
from e2e3d.errors import ReconstructionError
from e2e3d.ops.row_kernels import over_rows

CAMERA_SIZE = 26

# Where each parameter goes in (fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, k5, k6); a single focal length goes to 0 and 1.
_PERSPECTIVE = {
    "SIMPLE_PINHOLE": ((0, 1), 2, 3),
    "PINHOLE": (0, 1, 2, 3),
    "SIMPLE_RADIAL": ((0, 1), 2, 3, 4),
    "RADIAL": ((0, 1), 2, 3, 4, 5),
    "OPENCV": (0, 1, 2, 3, 4, 5, 6, 7),
    "FULL_OPENCV": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
}
# The same for (fx, fy, cx, cy, k1, k2, k3, k4) of an equidistant lens.
_FISHEYE = {
    "SIMPLE_RADIAL_FISHEYE": ((0, 1), 2, 3, 4),
    "RADIAL_FISHEYE": ((0, 1), 2, 3, 4, 5),
    "OPENCV_FISHEYE": (0, 1, 2, 3, 4, 5, 6, 7),
}


def camera_vector(camera: Camera, cam_from_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pack a calibrated, posed camera into float64 [26] for :func:`project`.

    Layout: 12 intrinsics, 12 of `cam_from_world` [3, 4] row by row, 1 for a fisheye, the largest tangent (squared) of
    an angle from the axis that the photograph shows; farther points could fold back into it.

    Raises:
        ReconstructionError: for a camera model that is not supported.
    """
    slots = _PERSPECTIVE.get(camera.model) or _FISHEYE.get(camera.model)
    if slots is None:
        known = ", ".join([*_PERSPECTIVE, *_FISHEYE])
        raise ReconstructionError(
            "unsupported-camera-model", f"Camera model {camera.model} cannot be textured.", f"Use one of {known}."
        )
    vector = np.zeros(CAMERA_SIZE)
    for slot, value in zip(slots, camera.params, strict=True):
        vector[list(slot) if isinstance(slot, tuple) else slot] = value
    vector[12:24] = np.asarray(cam_from_world, np.float64).ravel()
    vector[24] = float(camera.model in _FISHEYE)
    vector[25] = _largest_tangent_squared(camera)
    return vector


def _largest_tangent_squared(camera: Camera) -> float:
    """Squared tangent of the widest viewing angle on the border of the photograph, with 5 % of slack."""
    import pycolmap

    w, h = camera.width_px, camera.height_px
    steps = np.linspace(0, 1, 9)
    border = np.concatenate(
        [np.stack([steps * w, 0 * steps + y], 1) for y in (0, h)]
        + [np.stack([0 * steps + x, steps * h], 1) for x in (0, w)]
    )
    colmap = pycolmap.Camera(model=camera.model, width=w, height=h, params=list(camera.params))
    rays = np.asarray(colmap.cam_from_img(border), np.float64)
    if rays.shape[1] == 3:
        rays = rays[:, :2] / np.maximum(rays[:, 2:], 1e-6)
    return float(np.nanmax((rays**2).sum(1)) * 1.1)


@numba.njit(cache=True)
def project(camera, x, y, z):  # type: ignore[no-untyped-def]
    """Project the world point (x, y, z): (u, v) in pixels and the depth, which is 0 for a point that is not in view."""
    zc = camera[20] * x + camera[21] * y + camera[22] * z + camera[23]
    if zc <= 1e-9:
        return 0.0, 0.0, 0.0
    a = (camera[12] * x + camera[13] * y + camera[14] * z + camera[15]) / zc
    b = (camera[16] * x + camera[17] * y + camera[18] * z + camera[19]) / zc
    r2 = a * a + b * b
    if r2 > camera[25]:
        return 0.0, 0.0, 0.0
    if camera[24] > 0.5:
        r = math.sqrt(r2)
        if r > 1e-9:
            theta = math.atan(r)
            t2 = theta * theta
            bend = 1 + t2 * (camera[4] + t2 * (camera[5] + t2 * (camera[6] + t2 * camera[7])))
            a, b = a * bend * theta / r, b * bend * theta / r
    else:
        bend = 1 + r2 * (camera[4] + r2 * (camera[5] + r2 * camera[8]))
        bend /= 1 + r2 * (camera[9] + r2 * (camera[10] + r2 * camera[11]))
        da = 2 * camera[6] * a * b + camera[7] * (r2 + 2 * a * a)
        db = 2 * camera[7] * a * b + camera[6] * (r2 + 2 * b * b)
        a, b = a * bend + da, b * bend + db
    return camera[0] * a + camera[2], camera[1] * b + camera[3], zc


def project_points(camera: NDArray[np.float64], points_world: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project float32 [N, 3] world points: float32 [N, 3] of u, v in pixels and depth (0 = not in view)."""
    out = np.empty((len(points_world), 3), np.float32)
    _project_points(points_world, camera, out)
    return out


@over_rows
def _project_points(first, end, points_world, camera, out):  # type: ignore[no-untyped-def]
    for i in range(first, end):
        out[i, 0], out[i, 1], out[i, 2] = project(camera, points_world[i, 0], points_world[i, 1], points_world[i, 2])
