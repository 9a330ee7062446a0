"""Compares a depth map that a GPU made with the CPU's, before the rest of a run rests on the GPU.

The CUDA kernels are those of the CPU, but no run on a card is recorded in benchmarks/RESULTS.md yet. Until then, a GPU
that nobody asked for by name has to show in each process that it computes the same.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import numpy as np

from e2e3d.data.dense import DepthMap
from e2e3d.errors import MachineError

TOLERANCE = 1e-3
"""Relative difference of depth up to which two pixels are alike."""
WANTED_SHARE = 0.99

log = logging.getLogger(__name__)
_compared = threading.Event()


def share_alike(first: DepthMap, second: DepthMap) -> float:
    """The share of pixels, of those with a depth in either map, whose depths differ by at most :data:`TOLERANCE`."""
    either = (first.depth > 0) | (second.depth > 0)
    if not either.any():
        return 1.0
    both = (first.depth > 0) & (second.depth > 0)
    alike = both & (np.abs(first.depth - second.depth) <= TOLERANCE * second.depth)
    return float(alike.sum() / either.sum())


def compare_once(made: DepthMap, on_cpu: Callable[[], DepthMap], name: str) -> None:
    """Compare the first depth map of this process with the CPU's; later ones are taken as they are.

    Args:
        made: what the GPU computed.
        on_cpu: computes the same on the CPU.
        name: of the view.

    Raises:
        MachineError: ``gpu-differs`` when fewer than :data:`WANTED_SHARE` of the pixels are alike.
    """
    if _compared.is_set():
        return
    share = share_alike(made, on_cpu())
    if share < WANTED_SHARE:
        raise MachineError(
            "gpu-differs",
            f"The GPU computed other depths of {name} than the CPU: {share:.1%} of the pixels are alike.",
            "Choose the CPU with --device cpu or E2E3D_DEVICE=cpu, and report the card and its driver.",
        )
    log.warning("the GPU computes as the CPU does: %.1f %% of the pixels of %s are alike", 100 * share, name)
    _compared.set()
