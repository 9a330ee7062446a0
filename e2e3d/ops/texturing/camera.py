"""COLMAP's camera models as one numeric vector, projected inside Numba kernels.

Every perspective model of COLMAP is a special case of FULL_OPENCV, every fisheye model used here one of OPENCV_FISHEYE,
so two formulas cover them all.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Camera
from e2e3d.errors import ReconstructionError
from e2e3d.ops.numba_jit import njit
from e2e3d.ops.row_kernels import over_rows

# Places in a camera's vector; a fisheye has k3 and k4 in those of p1 and p2.
FX, FY, CX, CY, K1, K2, P1, P2, K3, K4, K5, K6 = range(12)
POSE = 12  # of the 12 numbers of `cam_from_world`, row by row
FISHEYE, WIDEST = 24, 25
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

    Layout: 12 intrinsics, `cam_from_world` [3, 4], 1 for a fisheye, and the squared tangent of the widest angle from
    the axis that the photograph shows; farther points could fold back into it.

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
    vector[POSE:FISHEYE] = np.asarray(cam_from_world, np.float64).ravel()
    vector[FISHEYE] = float(camera.model in _FISHEYE)
    vector[WIDEST] = _largest_tangent_squared(camera)
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


@njit(cache=True)
def project(camera, x, y, z):  # type: ignore[no-untyped-def]
    """Project the world point (x, y, z): (u, v) in pixels and the depth, which is 0 for a point that is not in view."""
    zc = camera[POSE + 8] * x + camera[POSE + 9] * y + camera[POSE + 10] * z + camera[POSE + 11]
    if zc <= 1e-9:
        return 0.0, 0.0, 0.0
    a = (camera[POSE] * x + camera[POSE + 1] * y + camera[POSE + 2] * z + camera[POSE + 3]) / zc
    b = (camera[POSE + 4] * x + camera[POSE + 5] * y + camera[POSE + 6] * z + camera[POSE + 7]) / zc
    r2 = a * a + b * b
    if r2 > camera[WIDEST]:
        return 0.0, 0.0, 0.0
    if camera[FISHEYE] > 0.5:
        r = math.sqrt(r2)
        if r > 1e-9:
            theta = math.atan(r)
            t2 = theta * theta
            bend = 1 + t2 * (camera[K1] + t2 * (camera[K2] + t2 * (camera[P1] + t2 * camera[P2])))
            a, b = a * bend * theta / r, b * bend * theta / r
    else:
        bend = 1 + r2 * (camera[K1] + r2 * (camera[K2] + r2 * camera[K3]))
        bend /= 1 + r2 * (camera[K4] + r2 * (camera[K5] + r2 * camera[K6]))
        da = 2 * camera[P1] * a * b + camera[P2] * (r2 + 2 * a * a)
        db = 2 * camera[P2] * a * b + camera[P1] * (r2 + 2 * b * b)
        a, b = a * bend + da, b * bend + db
    return camera[FX] * a + camera[CX], camera[FY] * b + camera[CY], zc


def project_points(camera: NDArray[np.float64], points_world: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project float32 [N, 3] world points: float32 [N, 3] of u, v in pixels and depth (0 = not in view)."""
    out = np.empty((len(points_world), 3), np.float32)
    _project_points(points_world, camera, out)
    return out


@over_rows
def _project_points(first, end, points_world, camera, out):  # type: ignore[no-untyped-def]
    for i in range(first, end):
        out[i, 0], out[i, 1], out[i, 2] = project(camera, points_world[i, 0], points_world[i, 1], points_world[i, 2])
