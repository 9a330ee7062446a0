"""What kernels need on a GPU: the numba-cuda package, and free memory."""

from __future__ import annotations

import time

import numba
import numpy as np
from numba import cuda

from e2e3d.errors import MachineError

_SPARE_BYTES = 256 << 20
_PATIENCE_S = 120.0
_POLL_S = 0.05

if not hasattr(np, "row_stack"):  # numba-cuda 0.30 asks for it when it compiles; NumPy 2.5 has it no more
    setattr(np, "row_stack", np.vstack)  # noqa: B010 - the name is not one that type checkers know


def require_cuda_libraries() -> None:
    """Check that ``numba-cuda`` is installed; the target that comes with Numba does not compile the kernels.

    Raises:
        MachineError: ``no-gpu-libraries``.
    """
    if not numba.config.ENABLE_CUDASIM and getattr(cuda, "implementation", "Built-in") == "Built-in":
        raise MachineError(
            "no-gpu-libraries",
            "There is a GPU, but the libraries that E2E3D needs to use it are not installed.",
            "Run `pip install 'e2e3d[gpu]'`, or choose the CPU: --device cpu.",
        )


def await_memory(needed_bytes: int, patience_s: float = _PATIENCE_S) -> None:
    """Return when the card has room: other units on the same card hold theirs for seconds only.

    Raises:
        MachineError: ``gpu-memory`` if there is not enough of it in all, or not after `patience_s`.
    """
    context = cuda.current_context()
    deadline_s = time.monotonic() + patience_s
    while True:
        if not numba.config.ENABLE_CUDASIM:
            context.deallocations.clear()
        free_bytes, total_bytes = context.get_memory_info()
        if free_bytes >= needed_bytes + _SPARE_BYTES:
            return
        if total_bytes < needed_bytes + _SPARE_BYTES or time.monotonic() > deadline_s:
            raise MachineError(
                "gpu-memory",
                f"A view needs {needed_bytes / 1e9:.1f} GB of the GPU's memory; {free_bytes / 1e9:.1f} of "
                f"{total_bytes / 1e9:.1f} GB are free.",
                "Lower depth.max_size_px, end other programs on the GPU, or choose --device cpu.",
            )
        time.sleep(_POLL_S)
