"""Which launcher runs the kernels on the device that was granted."""

from __future__ import annotations

from e2e3d.ops.stereo.cpu import CpuLauncher
from e2e3d.ops.stereo.problem import Launcher


def launcher_for(device: str, threads: int) -> Launcher:
    """The launcher for `device`, ``cpu`` or ``cuda``; the CUDA runtime is loaded only for the latter."""
    if device == "cuda":
        from e2e3d.ops.stereo.cuda import CudaLauncher

        return CudaLauncher(threads)
    return CpuLauncher(threads)
