"""GPU launcher: the visits of :mod:`visit`, one thread a pixel, as numba.cuda kernels.

Written for any CUDA card; numba's simulator (NUMBA_ENABLE_CUDASIM=1) runs the same code where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numba import cuda
from numpy.typing import NDArray

from e2e3d.ops.stereo.gpu_requirements import await_memory, require_cuda_libraries
from e2e3d.ops.stereo.problem import MAX_SOURCES, WINDOW_FLOATS, Problem, Scratch, State, Sweep, new_state
from e2e3d.ops.stereo.visit import start_pixel, visit_pixel

BLOCK = (16, 8)


class CudaLauncher:
    """Runs the kernels on the current CUDA device; the arrays stay there for all sweeps of a level.

    `threads` is for the small steps between levels, which run on the CPU.
    """

    def __init__(self, threads: int = 1) -> None:
        require_cuda_libraries()
        self.threads = threads

    def improve(self, problem: Problem, starts: NDArray[np.float32], views: int, sweeps: Sequence[Sweep]) -> State:
        """Choose among the planes to start from, [H, W, K, 3], then run the sweeps; returns the state, on the host."""
        state = new_state(problem)
        await_memory(sum(array.nbytes for array in (*arrays_of(problem), *state, starts)))
        device_problem = problem_on_device(problem)
        device_state: Any = State(*map(to_device, state))
        launch(device_problem, device_state, to_device(starts), views, sweeps)
        return State(*(array.copy_to_host() for array in device_state))


def arrays_of(problem: Problem) -> list[Any]:
    """The arrays of a problem, without its scalars."""
    return [field for field in problem if isinstance(field, np.ndarray)]


def problem_on_device(problem: Problem) -> Problem:
    """The problem with copies of its arrays on the device; its scalars are arguments of the kernels."""
    fields: tuple[Any, ...] = problem
    return Problem(*(to_device(field) if isinstance(field, np.ndarray) else field for field in fields))


def to_device(array: Any) -> Any:
    """A copy of a NumPy array on the device.

    It is sent flat: where an axis of length one has a stride of zero, as ``array[:, :, None]`` has, numba-cuda goes
    over all elements in Python (seconds for a view).
    """
    return cuda.to_device(array.ravel()).reshape(array.shape)


def launch(problem: Problem, state: State, starts: Any, views: int, sweeps: Sequence[Sweep]) -> None:
    """Queue the kernels of :meth:`CudaLauncher.improve`; all arrays lie on the device, and `state` is changed."""
    height, width = problem.grey.shape
    start_kernel[_grid(width, height), BLOCK](problem, state, starts, np.int32(views))
    half = _grid((width + 1) // 2, height)
    for sweep in sweeps:
        sweep_kernel[half, BLOCK](problem, state, sweep)


def _grid(width: int, height: int) -> tuple[int, int]:
    return -(-width // BLOCK[0]), -(-height // BLOCK[1])


@cuda.jit(cache=True)
def start_kernel(problem: Problem, state: State, starts: NDArray[np.float32], views: int) -> None:
    """Visit every pixel: choose among the planes to start from."""
    x, y = cuda.grid(2)
    patch = cuda.local.array(WINDOW_FLOATS, numba.float32)
    weights = cuda.local.array(MAX_SOURCES, numba.float32)
    chosen = cuda.local.array(MAX_SOURCES, numba.int32)
    if y < problem.grey.shape[0] and x < problem.grey.shape[1]:
        start_pixel(problem, state, starts, Scratch(patch, weights, chosen, None), views, x, y)


@cuda.jit(cache=True)
def sweep_kernel(problem: Problem, state: State, sweep: Sweep) -> None:
    """Visit the pixels of one colour of the checkerboard."""
    column, y = cuda.grid(2)
    x = 2 * column + ((y + sweep.colour) & 1)
    patch = cuda.local.array(WINDOW_FLOATS, numba.float32)
    weights = cuda.local.array(MAX_SOURCES, numba.float32)
    chosen = cuda.local.array(MAX_SOURCES, numba.int32)
    if y < problem.grey.shape[0] and x < problem.grey.shape[1]:
        visit_pixel(problem, state, sweep, Scratch(patch, weights, chosen, None), x, y)
