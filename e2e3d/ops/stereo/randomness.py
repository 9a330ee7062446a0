"""Counter-based random numbers: the same (seed, pixel, draw) gives the same number on any thread, CPU or GPU."""

from __future__ import annotations

import numpy as np

from e2e3d.ops.stereo.jit import kernel

_TO_UNIT = np.float32(2.0**-24)


@kernel
def hash32(value: np.uint32) -> np.uint32:
    """Mix a uint32 (``lowbias32`` of C. Wellons' hash prospector: full avalanche, bias under 0.2 %)."""
    h = np.uint32(value)
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(h * np.uint32(0x7FEB352D))
    h = np.uint32(h ^ (h >> np.uint32(15)))
    h = np.uint32(h * np.uint32(0x846CA68B))
    return np.uint32(h ^ (h >> np.uint32(16)))


@kernel
def uniform(stream: np.uint32, draw: int) -> np.float32:
    """Number `draw` of `stream`, a uint32, as float32 in [0, 1)."""
    h = hash32(np.uint32(stream) + np.uint32(draw) * np.uint32(0x9E3779B9))
    return np.float32(np.float32(h >> np.uint32(8)) * _TO_UNIT)


@kernel
def signed(stream: np.uint32, draw: int) -> np.float32:
    """Number `draw` of `stream` as float32 in [-1, 1)."""
    return np.float32(np.float32(2.0) * uniform(stream, draw) - np.float32(1.0))
