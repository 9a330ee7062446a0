"""Vignetting: how much darker a lens is towards the corners, and its compensation.

Goldman and Chen, "Vignette and Exposure Calibration and Compensation" (ICCV 2005): an even polynomial of the distance
from the principal point, here of the logarithm and with coefficients that are not negative, so that it can only grow.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.numba_jit import njit
from e2e3d.ops.row_kernels import over_rows
from e2e3d.ops.texturing.camera import CX, CY, FISHEYE, POSE, project
from e2e3d.ops.texturing.candidates import Candidates

TERMS = 3
LEAST_VIEWS = 3  # fewer photographs of a lens do not separate it from the light of the scene


def lenses(cameras: NDArray[np.float64], sizes_px: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the lenses that took enough photographs: int64 [N] of each photograph, -1 = too few.

    Args:
        cameras: float64 [N, 26] of :func:`~e2e3d.ops.texturing.camera.camera_vector`.
        sizes_px: int64 [N, 2], width and height of each photograph.
    """
    same = np.concatenate([cameras[:, :POSE], cameras[:, FISHEYE : FISHEYE + 1], sizes_px], 1)
    _, lens, count = np.unique(same, axis=0, return_inverse=True, return_counts=True)
    number = np.where(count >= LEAST_VIEWS, np.cumsum(count >= LEAST_VIEWS) - 1, -1)
    return np.asarray(number[lens.ravel()], np.int64)


def squared_radii(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    chosen: NDArray[np.int64],
    cameras: NDArray[np.float64],
    sizes_px: NDArray[np.int64],
    views: NDArray[np.int16],
) -> NDArray[np.float32]:
    """Where the `chosen` faces [M] lie in their photographs `views` [F, K]: float32 [M, K].

    0 is the principal point, 1 a corner (half the diagonal away), squared.
    """
    out = np.zeros((len(chosen), views.shape[1]), np.float32)
    _squared_radii(chosen, vertices, faces, cameras, sizes_px, views, out)
    return out


@over_rows
def _squared_radii(first, end, chosen, vertices, faces, cameras, sizes_px, views, out):  # type: ignore[no-untyped-def]
    for m in range(first, end):
        face = faces[chosen[m]]
        a, b, c = vertices[face[0]], vertices[face[1]], vertices[face[2]]
        for k in range(views.shape[1]):
            i = views[chosen[m], k]
            if i >= 0:
                x, y, _ = project(
                    cameras[i], (a[0] + b[0] + c[0]) / 3, (a[1] + b[1] + c[1]) / 3, (a[2] + b[2] + c[2]) / 3
                )
                corner = (sizes_px[i, 0] ** 2 + sizes_px[i, 1] ** 2) / 4
                out[m, k] = ((x - cameras[i, CX]) ** 2 + (y - cameras[i, CY]) ** 2) / corner


@njit(cache=True)
def log_falloff(falloff, squared_radius):  # type: ignore[no-untyped-def]
    """Logarithm of the lost light at a squared radius under the coefficients `falloff` [3] of r², r⁴ and r⁶."""
    return squared_radius * (falloff[0] + squared_radius * (falloff[1] + squared_radius * falloff[2]))


def without_falloff(
    image: NDArray[np.uint8], centre_px: NDArray[np.float64], falloff: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """A photograph uint8 [H, W, 3] without the falloff around the principal point [2]."""
    out = np.empty_like(image)
    _without_falloff(image, centre_px, falloff, out)
    return out


@over_rows
def _without_falloff(first, end, image, centre_px, falloff, out):  # type: ignore[no-untyped-def]
    height, width = image.shape[:2]
    corner = (width**2 + height**2) / 4
    for y in range(first, end):
        for x in range(width):
            squared = ((x + 0.5 - centre_px[0]) ** 2 + (y + 0.5 - centre_px[1]) ** 2) / corner
            factor = math.exp(log_falloff(falloff, squared))
            for c in range(3):
                out[y, x, c] = int(min(255.0, image[y, x, c] * factor + 0.5))


def remove_falloff(candidates: Candidates, squared_radius: NDArray[np.float32], falloff: NDArray[np.float64]) -> None:
    """Remove the `falloff` [N, 3] of each photograph from the colours of all candidates, in place."""
    _remove_falloff(candidates.view, candidates.colour, squared_radius, falloff)


@over_rows
def _remove_falloff(first, end, views, colours, squared_radius, falloff):  # type: ignore[no-untyped-def]
    for f in range(first, end):
        for k in range(views.shape[1]):
            if views[f, k] >= 0:
                factor = math.exp(log_falloff(falloff[views[f, k]], squared_radius[f, k]))
                for c in range(3):
                    colours[f, k, c] = int(min(255.0, colours[f, k, c] * factor + 0.5))
