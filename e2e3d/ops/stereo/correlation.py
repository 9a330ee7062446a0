"""Bilaterally weighted normalised cross-correlation of a slanted patch: the innermost loops of stereo.

The weighting is that of COLMAP MVS (Schönberger et al., ECCV 2016). What is done differently, for speed: the window has
32 samples (6 x 6 without its corners, as ACMH's with a stride), two vectors of 16 lanes, and its weights and centred,
weighted reference values are computed once a visit and reused by every hypothesis and source; a source stores the 2 x 2
neighbourhood of every pixel in one uint32, so that a bilinear sample is one load; the warp is exact.

LLVM turns the correlation's loop into vector instructions only where a gather is cheap: with AVX-512, but neither with
AVX2 nor on ARM. There the loop is cut in three around the loads, which alone stay scalar: 2.8 times as fast on AVX2.

A patch is one array of six parts of 32 floats, since LLVM sees at once that parts of one array do not overlap: weights
that sum to 1; centred, weighted, normalised values; offsets in x and in y; and, between the three loops, the fractions
of the source positions in x and in y.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.stereo.jit import vector_kernel
from e2e3d.ops.stereo.problem import SAMPLES, Problem

MAX_COST = np.float32(2.0)

_WEIGHT, _VALUE, _X, _Y, _FRACTION_X, _FRACTION_Y = (part * SAMPLES for part in range(6))
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)
_BYTE = np.uint32(255)
_CENTRE = np.float32(128.0)
_SAFE_EDGE = np.float32(1.001)
_LEAST_TOTAL = np.float32(1e-6)
FINE, WIDE = 0, 1  # the windows, rows of ``Problem.offset_x``


class Warp(NamedTuple):
    """Homogeneous source position (u, v, z) of a patch's centre, px; its derivative by the reference's x; and by y."""

    u: np.float32
    v: np.float32
    z: np.float32
    u_x: np.float32
    v_x: np.float32
    z_x: np.float32
    u_y: np.float32
    v_y: np.float32
    z_y: np.float32


class SourceImage(NamedTuple):
    """One source's part of ``Problem.texels``: where it starts, and its size, int32."""

    texels: NDArray[np.uint32]
    start: np.int32
    width: np.int32
    height: np.int32


def window_offsets(radius_px: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Offsets (x, y) of the 32 samples, float32 [32] each, whole pixels within `radius_px` of the centre (3 or 5)."""
    steps = {3: (-3, -2, -1, 1, 2, 3), 5: (-5, -3, -1, 1, 3, 5)}[radius_px]
    grid = [(x, y) for y in steps for x in steps if abs(x) + abs(y) < 2 * radius_px]
    xs, ys = np.array(grid, np.float32).T
    return np.ascontiguousarray(xs), np.ascontiguousarray(ys)


@vector_kernel
def load_patch(problem: Problem, patch: NDArray[np.float32], window: int, x: int, y: int) -> np.float32:
    """Prepare the reference side of the correlation around pixel (x, y); returns the weighted variance of its greys.

    The first four parts of `patch` are written; `window` is FINE or WIDE.
    """
    grey, usable = problem.grey, problem.usable
    offset_x, offset_y = problem.offset_x[window], problem.offset_y[window]
    height, width = grey.shape
    centre = np.float32(grey[y, x])
    for k in range(SAMPLES):
        px = min(max(x + int(offset_x[k]), 0), width - 1)
        py = min(max(y + int(offset_y[k]), 0), height - 1)
        patch[_VALUE + k] = np.float32(grey[py, px])
        patch[_WEIGHT + k] = np.float32(usable[py, px])
        patch[_X + k] = offset_x[k]
        patch[_Y + k] = offset_y[k]
    total = _ZERO
    mean = _ZERO
    square = _ZERO
    for k in range(SAMPLES):
        value = patch[_VALUE + k] - centre
        ratio = value * problem.search.inverse_color_scale
        weight = patch[_WEIGHT + k] / (_ONE + ratio * ratio)
        patch[_WEIGHT + k] = weight
        patch[_VALUE + k] = value
        total += weight
        mean += weight * value
        square += weight * value * value
    inverse_total = _ONE / max(total, _LEAST_TOTAL)
    mean *= inverse_total
    variance = max(square * inverse_total - mean * mean, _ZERO)
    scale = _ONE / np.float32(math.sqrt(variance + problem.search.noise_variance))
    for k in range(SAMPLES):
        weight = patch[_WEIGHT + k] * inverse_total
        patch[_VALUE + k] = weight * (patch[_VALUE + k] - mean) * scale
        patch[_WEIGHT + k] = weight
    return np.float32(variance)


@vector_kernel
def source_position(
    patch: NDArray[np.float32], k: int, source: SourceImage, warp: Warp
) -> tuple[np.float32, np.float32]:
    """Array position (column, row) in the source, inside of it, that sample `k` of the patch falls on."""
    last_u = np.float32(source.width) - _SAFE_EDGE
    last_v = np.float32(source.height) - _SAFE_EDGE
    inverse_z = _ONE / (warp.z + warp.z_x * patch[_X + k] + warp.z_y * patch[_Y + k])
    su = (warp.u + warp.u_x * patch[_X + k] + warp.u_y * patch[_Y + k]) * inverse_z - _HALF
    sv = (warp.v + warp.v_x * patch[_X + k] + warp.v_y * patch[_Y + k]) * inverse_z - _HALF
    su = su if su > _ZERO else _ZERO
    sv = sv if sv > _ZERO else _ZERO
    su = su if su < last_u else last_u
    sv = sv if sv < last_v else last_v
    return su, sv


@vector_kernel
def centred_sample(texel: np.uint32, du: np.float32, dv: np.float32) -> np.float32:
    """Bilinear value in the 2 x 2 neighbourhood `texel`, less 128."""
    top_left = np.float32(np.int32(texel & _BYTE))
    top_right = np.float32(np.int32((texel >> np.uint32(8)) & _BYTE))
    low_left = np.float32(np.int32((texel >> np.uint32(16)) & _BYTE))
    low_right = np.float32(np.int32(texel >> np.uint32(24)))
    top = top_left + du * (top_right - top_left)
    low = low_left + du * (low_right - low_left)
    return np.float32(top + dv * (low - top) - _CENTRE)


@vector_kernel
def sums_in_one_loop(
    patch: NDArray[np.float32], source: SourceImage, warp: Warp
) -> tuple[np.float32, np.float32, np.float32]:
    """Sums over the samples: reference times source, source, squared source, all weighted."""
    product, mean, square = _ZERO, _ZERO, _ZERO
    for k in range(SAMPLES):
        su, sv = source_position(patch, k, source, warp)
        column, row = np.int32(su), np.int32(sv)
        texel = source.texels[np.uint32(source.start + row * source.width + column)]
        value = centred_sample(texel, su - np.float32(column), sv - np.float32(row))
        weighted = patch[_WEIGHT + k] * value
        product += patch[_VALUE + k] * value
        mean += weighted
        square += weighted * value
    return product, mean, square


@vector_kernel
def sums_in_three_loops(
    patch: NDArray[np.float32], quads: NDArray[np.uint32], source: SourceImage, warp: Warp
) -> tuple[np.float32, np.float32, np.float32]:
    """The same as :func:`sums_in_one_loop`, with the loads in a loop of their own."""
    for k in range(SAMPLES):
        su, sv = source_position(patch, k, source, warp)
        column, row = np.int32(su), np.int32(sv)
        patch[_FRACTION_X + k] = su - np.float32(column)
        patch[_FRACTION_Y + k] = sv - np.float32(row)
        quads[k] = np.uint32(np.int32(source.start) + row * np.int32(source.width) + column)
    for k in range(SAMPLES):
        quads[k] = source.texels[quads[k]]
    product, mean, square = _ZERO, _ZERO, _ZERO
    for k in range(SAMPLES):
        value = centred_sample(quads[k], patch[_FRACTION_X + k], patch[_FRACTION_Y + k])
        weighted = patch[_WEIGHT + k] * value
        product += patch[_VALUE + k] * value
        mean += weighted
        square += weighted * value
    return product, mean, square


@vector_kernel
def correlation_cost(
    patch: NDArray[np.float32],  # by :func:`load_patch`
    quads: NDArray[np.uint32] | None,  # [32] scratch
    source: SourceImage,
    warp: Warp,
    noise_variance: np.float32,
) -> np.float32:
    """1 - NCC in [0, 2] between the patch and a source warped by a homography.

    `noise_variance` keeps noise from correlating where there is no texture. The caller makes sure that the centre lies
    inside; samples beyond the border repeat it. With `quads` the loads have a loop of their own.
    """
    if quads is None:
        product, mean, square = sums_in_one_loop(patch, source, warp)
    else:
        product, mean, square = sums_in_three_loops(patch, quads, source, warp)
    variance = max(square - mean * mean, _ZERO)
    cost = _ONE - product / np.float32(math.sqrt(variance + noise_variance))
    return np.float32(min(max(cost, _ZERO), MAX_COST))
