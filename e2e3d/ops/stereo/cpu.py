"""CPU launcher: blocks of rows on threads."""

from __future__ import annotations

from collections.abc import Sequence

import llvmlite.binding
import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.stereo.jit import row_kernel
from e2e3d.ops.stereo.problem import MAX_SOURCES, PATCH_FLOATS, SAMPLES, Problem, Scratch, State, Sweep, new_state
from e2e3d.ops.stereo.visit import start_pixel, visit_pixel
from e2e3d.runtime.threads import in_blocks

_GATHERS: bool = llvmlite.binding.get_host_cpu_features().get("avx512f", False)


def new_scratch(gathers: bool = _GATHERS) -> Scratch:
    """Memory for one thread; `gathers`: whether loads from a vector of addresses are vectorised on the processor."""
    return Scratch(
        np.empty(PATCH_FLOATS, np.float32),
        np.empty(MAX_SOURCES, np.float32),
        np.empty(MAX_SOURCES, np.int32),
        None if gathers else np.empty(SAMPLES, np.uint32),
    )


class CpuLauncher:
    """Runs the kernels on `threads` threads; the result does not depend on their number."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def improve(self, problem: Problem, starts: NDArray[np.float32], views: int, sweeps: Sequence[Sweep]) -> State:
        """Choose among the planes to start from, [H, W, K, 3], then run the sweeps."""
        height = problem.grey.shape[0]
        state, count = new_state(problem), np.int64(views)
        in_blocks(
            lambda first, end: _start_rows(problem, state, starts, count, first, end, new_scratch()),
            height,
            self.threads,
        )
        for sweep in sweeps:

            def work(first: int, end: int, sweep: Sweep = sweep) -> None:
                _sweep_rows(problem, state, sweep, first, end, new_scratch())

            in_blocks(work, height, self.threads)
        return state


@row_kernel
def _start_rows(
    problem: Problem,
    state: State,
    starts: NDArray[np.float32],
    views: int,
    first: int,
    end: int,
    scratch: Scratch,
) -> None:
    for y in range(first, end):
        for x in range(problem.grey.shape[1]):
            start_pixel(problem, state, starts, scratch, views, x, y)


@row_kernel
def _sweep_rows(problem: Problem, state: State, sweep: Sweep, first: int, end: int, scratch: Scratch) -> None:
    for y in range(first, end):
        for x in range((y + sweep.colour) & 1, problem.grey.shape[1], 2):
            visit_pixel(problem, state, sweep, scratch, x, y)
