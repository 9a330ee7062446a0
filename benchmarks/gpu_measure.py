"""What `gpu.py check` measures on a machine with a card."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
from gpu_views import GpuInputs, scaled
from numpy.typing import NDArray

from e2e3d.config.consistency import REFINEMENTS
from e2e3d.data.ref import Ref
from e2e3d.ops.stereo.cuda import (
    BLOCK,
    CudaLauncher,
    arrays_of,
    launch,
    problem_on_device,
    start_kernel,
    sweep_kernel,
    to_device,
)
from e2e3d.ops.stereo.problem import State, new_state
from e2e3d.runtime.gpu_devices import gpu_memory_bytes, lanes
from e2e3d.runtime.threads import core_count
from e2e3d.stages import consistency, depth
from e2e3d.stages.gpu_comparison import TOLERANCE
from e2e3d.stages.stage import RunContext

if TYPE_CHECKING:
    from e2e3d.data.dense import DepthMap, View

_SAMPLES = 32  # of an evaluation
_ROUNDS = 2  # views a process that shares the card computes
_passes: Passes | None = None
_threads = core_count()


def describe_card() -> dict[str, Any]:
    """Name, memory and bandwidth of the card, and how long its kernels take to compile or load."""
    from numba import cuda

    device = cuda.get_current_device()
    clock_khz, bus_bits = device.MEMORY_CLOCK_RATE, device.GLOBAL_MEMORY_BUS_WIDTH
    passes = Passes(tiny_views(), ["cpu"] * 3)
    passes.final("cpu")  # compiles what is the CPU's
    _, compile_s = timed(passes.final, "cuda")
    return {
        "name": device.name.decode() if isinstance(device.name, bytes) else str(device.name),
        "memory_gb": round(cuda.current_context().get_memory_info()[1] / 1e9, 1),
        "bandwidth_gb_s": round(2 * clock_khz * 1e3 * bus_bits / 8 / 1e9),
        "compute_capability": ".".join(map(str, device.compute_capability)),
        "numba_cuda": version("numba-cuda"),
        "cpu_cores": core_count(),
        "compile_s": round(compile_s, 1),
    }


def tiny_views() -> list[View]:
    """Three views of noise: enough to run every kernel once."""
    from kernels import tiny_views as views

    return views()


class Passes:
    """All stereo passes of the first view; the depth maps of its sources are made once, from colours.

    Args:
        views: the first, and its sources.
        devices: which makes the depth map from colours of each view.
    """

    def __init__(self, views: list[View], devices: list[str]) -> None:
        self._views = views
        self._maps = [self.photometric(i, device) for i, device in enumerate(devices)]

    def photometric(self, i: int, device: str) -> DepthMap:
        """Depth of view `i` from colours alone."""
        reference, *sources = map(Ref.of, (self._views[i], *self._views[:i], *self._views[i + 1 :]))
        return depth.run(depth.DepthInputs(reference, tuple(sources)), depth.DepthConfig(), context(device))

    def map_of(self, i: int) -> DepthMap:
        """The depth map of view `i` that was made at first."""
        return self._maps[i]

    def final(self, device: str) -> DepthMap:
        """Depth of the first view after the last geometric pass."""
        first, *around = map(Ref.of, self._views)
        result, maps = self.photometric(0, device), tuple(map(Ref.of, self._maps[1:]))
        for method in (*[consistency.refine] * len(REFINEMENTS), consistency.run):
            inputs = consistency.ConsistencyInputs(first, tuple(around), Ref.of(result), maps)
            result = method(inputs, consistency.ConsistencyConfig(), context(device))
        return result


def context(device: str) -> RunContext:
    """The threads of this process, for the CPU's passes or for the small steps beside the card's."""
    return RunContext(device=device, threads=_threads)


def timed(work: Any, *arguments: Any) -> tuple[Any, float]:
    """The result of a call, and its seconds."""
    started_s = time.monotonic()
    result = work(*arguments)
    return result, time.monotonic() - started_s


def compare(inputs: GpuInputs, size_px: int, device: str = "cuda") -> dict[str, float]:
    """Agreement of both processors, seconds a view alone and with several in flight, and samples a second."""
    views = [scaled(view, size_px) for view in inputs.views]
    passes = Passes(views, ["cpu"] + [device] * (len(views) - 1))
    by_colours, first_s = timed(passes.photometric, 0, device)
    cpu, cpu_s = timed(passes.final, "cpu")
    with recorded_launches() as launches:
        gpu, gpu_s = timed(passes.final, device)
    card = card_times(launches)
    busy_s = in_flight(passes, device)
    height, width = cpu.depth.shape
    samples = _SAMPLES * inputs.evaluations_a_pixel * height * width
    return {
        "width": width,
        "height": height,
        "same_share": same_share(cpu.depth, gpu.depth),
        "same_share_photometric": same_share(passes.map_of(0).depth, by_colours.depth),
        "same_holes": round(float(((cpu.depth > 0) == (gpu.depth > 0)).mean()), 4),
        "cpu_s": round(cpu_s, 2),
        "gpu_s": round(gpu_s, 3),
        "gpu_photometric_s": round(first_s, 3),
        "gpu_busy_s": round(busy_s, 3),
        "g_samples_a_second": round(samples / card["kernel_s"] / 1e9, 2),
        "texel_gb_a_second": round(4 * samples / card["kernel_s"] / 1e9, 1),
        **{name: round(value, 3) for name, value in card.items()},
    }


def same_share(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Of the pixels with a depth in both maps, the share whose depths differ by less than `TOLERANCE`."""
    seen = (first > 0) & (second > 0)
    return round(float((np.abs(second[seen] / first[seen] - 1) <= TOLERANCE).mean()), 4)


@contextlib.contextmanager
def recorded_launches() -> Iterator[list[Any]]:
    """Collects what the CUDA launcher is given meanwhile."""
    launches: list[Any] = []
    original = CudaLauncher.improve

    def improve(launcher: CudaLauncher, *arguments: Any) -> Any:
        launches.append(arguments)
        return original(launcher, *arguments)

    CudaLauncher.improve = improve  # type: ignore[method-assign]
    try:
        yield launches
    finally:
        CudaLauncher.improve = original  # type: ignore[method-assign]


def card_times(launches: list[Any]) -> dict[str, float]:
    """Seconds of transfers and of kernels, and the bytes moved, when the launches are repeated one after another."""
    from numba import cuda

    moved_s = kernel_s = 0.0
    moved_bytes = 0
    for problem, starts, views, sweeps in launches:
        state = new_state(problem)
        arrays = (*arrays_of(problem), *state, starts)
        cuda.synchronize()
        started_s = time.monotonic()
        device_problem, device_state = problem_on_device(problem), State(*map(to_device, state))
        device_starts = to_device(starts)
        cuda.synchronize()
        uploaded_s = time.monotonic()
        launch(device_problem, device_state, device_starts, views, sweeps)
        cuda.synchronize()
        computed_s = time.monotonic()
        for array in device_state:
            array.copy_to_host()
        moved_s += uploaded_s - started_s + time.monotonic() - computed_s
        kernel_s += computed_s - uploaded_s
        moved_bytes += sum(array.nbytes for array in (*arrays, *state))
    return {"kernel_s": kernel_s, "transfer_s": moved_s, "transfer_mb": moved_bytes / 1e6}


def in_flight(passes: Passes, device: str) -> float:
    """Seconds a view when as many processes share the card as E2E3D's own actors do."""
    workers = lanes(core_count(), gpu_memory_bytes())
    with ProcessPoolExecutor(workers, get_context("spawn"), _take, (passes, max(1, core_count() // workers))) as pool:
        list(pool.map(_one, [device] * workers, chunksize=1))  # every process loads its kernels
        _, elapsed_s = timed(lambda: list(pool.map(_one, [device] * _ROUNDS * workers, chunksize=1)))
    return elapsed_s / (_ROUNDS * workers)


def _take(passes: Passes, threads: int) -> None:
    global _passes, _threads
    _passes, _threads = passes, threads


def _one(device: str) -> float:
    assert _passes is not None
    return float(_passes.final(device).depth.sum())


def compare_matching(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> dict[str, Any]:
    """Mutual matches of two photographs on both processors."""
    from e2e3d.ops.matching.descriptor_matching import DescriptorSet, mutual_matches

    found, seconds = {}, {}
    for device in ("cpu", "cuda"):
        sets = DescriptorSet(first, device), DescriptorSet(second, device)
        times = []
        for _ in range(5):
            found[device], elapsed_s = timed(mutual_matches, *sets, 0.8, 0.7)
            times.append(elapsed_s)
        seconds[device] = sorted(times)[2]
    return {
        "first": len(first),
        "second": len(second),
        "matches": len(found["cpu"]),
        "same": bool(np.array_equal(found["cpu"], found["cuda"])),
        "cpu_s": seconds["cpu"],
        "gpu_s": seconds["cuda"],
    }


def kernel_occupancy() -> dict[str, dict[str, float]]:
    """Registers and local memory of each kernel, and the share of the card's threads that they leave room for."""
    from numba import cuda

    device = cuda.get_current_device()
    threads = BLOCK[0] * BLOCK[1]
    found = {}
    for name, kernel in (("start", start_kernel), ("sweep", sweep_kernel)):
        registers = max(kernel.get_regs_per_thread().values())
        blocks = device.MAX_REGISTERS_PER_MULTIPROCESSOR // (-(-registers // 8) * 8 * threads)
        share = min(1.0, blocks * threads / device.MAX_THREADS_PER_MULTIPROCESSOR)
        local = max(kernel.get_local_mem_per_thread().values())
        found[name] = {"registers": registers, "local_bytes": local, "occupancy": round(share, 2)}
    return found
