"""Bilaterally weighted normalised cross-correlation of a slanted patch: the innermost loops of stereo.

The weighting is that of COLMAP MVS (Schönberger et al., ECCV 2016). What is done differently, for speed: the window has
32 samples (6 x 6 without its corners, as ACMH's with a stride), two vectors of 16 lanes, and its weights and centred,
weighted reference values are computed once a visit and reused by every hypothesis and source; a source stores the 2 x 2
neighbourhood of every pixel in one uint32, so that a bilinear sample is one load; the warp is exact.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.stereo.jit import vector_kernel

SAMPLES = 32
MAX_COST = np.float32(2.0)

_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)
_BYTE = np.uint32(255)
_CENTRE = np.float32(128.0)
_SAFE_EDGE = np.float32(1.001)
_LEAST_TOTAL = np.float32(1e-6)


def window_offsets(radius_px: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Offsets (x, y) of the 32 samples, float32 [32] each, whole pixels within `radius_px` of the centre (3 or 5)."""
    steps = {3: (-3, -2, -1, 1, 2, 3), 5: (-5, -3, -1, 1, 3, 5)}[radius_px]
    grid = [(x, y) for y in steps for x in steps if abs(x) + abs(y) < 2 * radius_px]
    xs, ys = np.array(grid, np.float32).T
    return np.ascontiguousarray(xs), np.ascontiguousarray(ys)


@vector_kernel
def load_patch(
    patch: NDArray[
        np.float32
    ],  # [4, 32], written: weights that sum to 1; centred, weighted, normalised values; offsets
    grey: NDArray[np.uint8],  # [H, W]
    usable: NDArray[np.uint8],  # [H, W], 1 = use, 0 = no weight
    x: int,
    y: int,
    offset_x: NDArray[np.float32],
    offset_y: NDArray[np.float32],
    inverse_color_scale: np.float32,
    noise_variance: np.float32,
) -> np.float32:
    """Prepare the reference side of the correlation around pixel (x, y); returns the weighted variance of its greys."""
    height, width = grey.shape
    centre = np.float32(grey[y, x])
    total = _ZERO
    mean = _ZERO
    square = _ZERO
    for k in range(SAMPLES):
        px = min(max(x + int(offset_x[k]), 0), width - 1)
        py = min(max(y + int(offset_y[k]), 0), height - 1)
        value = np.float32(grey[py, px]) - centre
        ratio = value * inverse_color_scale
        weight = np.float32(usable[py, px]) / (_ONE + ratio * ratio)
        patch[0, k] = weight
        patch[1, k] = value
        patch[2, k] = offset_x[k]
        patch[3, k] = offset_y[k]
        total += weight
        mean += weight * value
        square += weight * value * value
    inverse_total = _ONE / max(total, _LEAST_TOTAL)
    mean *= inverse_total
    variance = max(square * inverse_total - mean * mean, _ZERO)
    scale = _ONE / np.float32(math.sqrt(variance + noise_variance))
    for k in range(SAMPLES):
        weight = patch[0, k] * inverse_total
        patch[1, k] = weight * (patch[1, k] - mean) * scale
        patch[0, k] = weight
    return np.float32(variance)


@vector_kernel
def correlation_cost(
    patch: NDArray[np.float32],  # [4, 32], by :func:`load_patch`
    texels: NDArray[np.uint32],  # every source's packed pixels, one after another
    start: int,
    width: int,
    height: int,
    u: np.float32,
    v: np.float32,
    z: np.float32,
    u_x: np.float32,
    v_x: np.float32,
    z_x: np.float32,
    u_y: np.float32,
    v_y: np.float32,
    z_y: np.float32,
    noise_variance: np.float32,
) -> np.float32:
    """1 - NCC in [0, 2] between the patch and a source warped by a homography.

    (u, v, z) is the homogeneous source position of the patch's centre in pixels, the others its derivatives by the
    reference's x and y. `noise_variance` keeps noise from correlating where there is no texture. The caller makes sure
    that the centre lies inside; samples beyond the border repeat it.
    """
    last_u = np.float32(width) - _SAFE_EDGE
    last_v = np.float32(height) - _SAFE_EDGE
    product = _ZERO
    mean = _ZERO
    square = _ZERO
    for k in range(SAMPLES):
        inverse_z = _ONE / (z + z_x * patch[2, k] + z_y * patch[3, k])
        su = (u + u_x * patch[2, k] + u_y * patch[3, k]) * inverse_z - _HALF
        sv = (v + v_x * patch[2, k] + v_y * patch[3, k]) * inverse_z - _HALF
        su = su if su > _ZERO else _ZERO
        sv = sv if sv > _ZERO else _ZERO
        su = su if su < last_u else last_u
        sv = sv if sv < last_v else last_v
        column = np.int32(su)
        row = np.int32(sv)
        du = su - np.float32(column)
        dv = sv - np.float32(row)
        texel = texels[np.uint32(start + row * width + column)]
        top_left = np.float32(np.int32(texel & _BYTE))
        top_right = np.float32(np.int32((texel >> np.uint32(8)) & _BYTE))
        low_left = np.float32(np.int32((texel >> np.uint32(16)) & _BYTE))
        low_right = np.float32(np.int32(texel >> np.uint32(24)))
        top = top_left + du * (top_right - top_left)
        low = low_left + du * (low_right - low_left)
        value = top + dv * (low - top) - _CENTRE
        weighted = patch[0, k] * value
        product += patch[1, k] * value
        mean += weighted
        square += weighted * value
    variance = max(square - mean * mean, _ZERO)
    cost = _ONE - product / np.float32(math.sqrt(variance + noise_variance))
    return np.float32(min(max(cost, _ZERO), MAX_COST))
