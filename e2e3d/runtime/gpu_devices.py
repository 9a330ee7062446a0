"""GPUs that this process may use."""

from __future__ import annotations

import ctypes

from e2e3d.errors import MachineError
from e2e3d.runtime.threads import core_count

_MOST_LANES = 8
_LANE_BYTES = 3_000_000_000


def gpu_count() -> int:
    """NVIDIA GPUs that the CUDA driver offers to this process; 0 without a driver."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    return count.value if cuda.cuInit(0) == 0 and cuda.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


def gpu_memory_bytes() -> int:
    """Memory of the first GPU that this process may use; 0 without one."""
    if gpu_count() == 0:
        return 0
    driver = ctypes.CDLL("libcuda.so.1")
    device, size = ctypes.c_int(), ctypes.c_size_t()
    if driver.cuDeviceGet(ctypes.byref(device), 0) or driver.cuDeviceTotalMem_v2(ctypes.byref(size), device):
        return 0
    return size.value


def lanes(cpus_a_gpu: int, memory_bytes: int) -> int:
    """How many units share a card, so that it does not wait while the CPU prepares a view and takes its result.

    Between the kernels of a view lies CPU work of about the same length; a process on the card takes
    `_LANE_BYTES` of its memory, its context included.
    """
    return max(1, min(_MOST_LANES, cpus_a_gpu, memory_bytes // _LANE_BYTES))


def require_gpu(found: int, where: str) -> None:
    """Raise MachineError when a GPU was asked for and `where` has none."""
    if found == 0:
        raise MachineError(
            "no-gpu",
            f"A GPU was asked for, but {where} offers {core_count()} CPU cores and no NVIDIA GPU.",
            "Run with --device auto or --device cpu, or install the NVIDIA driver.",
        )
