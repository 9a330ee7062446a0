"""One command for a machine with an NVIDIA GPU: is the GPU path right, how fast is it, and what does COLMAP's take?

usage: python benchmarks/gpu.py PHOTOS OUT [--sizes 1600,3200]

Needs `pip install 'e2e3d[gpu]'`; COLMAP's CUDA PatchMatch runs beside it when `pycolmap-cuda12` takes the place of
pycolmap. PHOTOS is reconstructed as far as its cameras, on the CPU; then one view is computed at each size on both.
Prints Markdown, and writes OUT/gpu.json. Exit code 5 without a GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from kernels import SAMPLES, count_evaluations, stored_views

TOLERANCE = 1e-3
WANTED_SHARE = 0.99
_pass: Any = None


def main() -> None:
    """Check, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sizes", default="1600,3200")
    arguments = parser.parse_args()
    require_card()
    arguments.out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"card": card(), "sizes": {}}
    for size in map(int, arguments.sizes.split(",")):
        views = undistorted(arguments.photos, arguments.out, size)
        figures["sizes"][size] = compare(views, str(arguments.out / f"store-{size}")) | colmap(arguments.out, size)
    figures["kernels"] = occupancy(figures["card"])
    (arguments.out / "gpu.json").write_text(json.dumps(figures, indent=1) + "\n")
    print("\n".join(table(figures)))
    if any(entry["same_share"] < WANTED_SHARE for entry in figures["sizes"].values()):
        sys.exit("The GPU's depths differ from the CPU's.")


def require_card() -> None:
    """Leave with code 5 and a clear message where no GPU can be used."""
    from e2e3d.errors import E2E3DError
    from e2e3d.jobs.devices import gpu_count, require_gpu

    try:
        require_gpu(gpu_count(), "this machine")
        from e2e3d.ops.stereo.card import require_cuda_libraries

        require_cuda_libraries()
    except E2E3DError as error:
        print(f"Error [{error.code}]: {error.message}\n  {error.hint}", file=sys.stderr)
        sys.exit(5)


def card() -> dict[str, Any]:
    """Name, memory, bandwidth limit, and how much of the card each kernel can occupy."""
    from numba import cuda

    device = cuda.get_current_device()
    clock_khz, bus_bits = device.MEMORY_CLOCK_RATE, device.GLOBAL_MEMORY_BUS_WIDTH
    return {
        "name": device.name.decode() if isinstance(device.name, bytes) else str(device.name),
        "memory_gb": round(cuda.current_context().get_memory_info()[1] / 1e9, 1),
        "bandwidth_gb_s": round(2 * clock_khz * 1e3 * bus_bits / 8 / 1e9),
        "multiprocessors": device.MULTIPROCESSOR_COUNT,
        "threads_a_multiprocessor": device.MAX_THREADS_PER_MULTI_PROCESSOR,
    }


def undistorted(photos: Path, out: Path, size: int) -> list[Any]:
    """A view and its sources at `size` pixels; the photographs and their cameras are left in OUT for COLMAP."""
    from e2e3d.jobs import pipeline
    from e2e3d.jobs.inprocess import InProcessExecutor
    from e2e3d.jobs.presets import PRESETS
    from e2e3d.jobs.source import read_source
    from e2e3d.ops.colmap_model import scene_to_reconstruction
    from e2e3d.storage.store import ArtifactStore

    config = PRESETS["medium"]
    config = dataclasses.replace(config, depth=dataclasses.replace(config.depth, max_size=size))
    run = InProcessExecutor(ArtifactStore(str(out / f"store-{size}")), device="cpu")
    files = read_source(str(photos), run)
    usable = [photo for photo in pipeline.check_photos(files, None, config, run) if photo.usable]
    found, matches = pipeline.find_matches(usable, False, config, run)
    mapped = pipeline.map_cameras(usable, found, matches, None, None, config, run)
    scene = mapped.load().scene
    registered = [usable[image.photo_index] for image in scene.images]
    pipeline.undistort_photos(registered, mapped, config, run)
    (out / "sparse").mkdir(exist_ok=True)
    scene_to_reconstruction(scene).write(str(out / "sparse"))
    for photo in registered:
        file = out / "images" / photo.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(run.blob(photo.sha256).load())
    return stored_views(str(out / f"store-{size}"))


class Passes:
    """All stereo passes of the first view, with the depth maps of its sources made once, on the CPU, from colours."""

    def __init__(self, views: list[Any]) -> None:
        self._views = views
        self._maps = [self._first(i, "cpu") for i in range(1, len(views))]

    def __call__(self, device: str) -> tuple[Any, float]:
        """Depth after the last geometric pass, and the seconds that all passes took."""
        from e2e3d.data.ref import Ref
        from e2e3d.jobs.config import PipelineConfig
        from e2e3d.stages import consistency
        from e2e3d.stages.base import RunContext

        started_s = time.monotonic()
        first, *around = map(Ref.of, self._views)
        result, maps = self._first(0, device), tuple(map(Ref.of, self._maps))
        for method in (*[consistency.refine] * len(consistency.REFINEMENTS), consistency.run):
            inputs = consistency.ConsistencyInputs(first, tuple(around), Ref.of(result), maps)
            result = method(inputs, PipelineConfig().consistency, RunContext(device=device))
        return np.asarray(result.depth), time.monotonic() - started_s

    def _first(self, i: int, device: str) -> Any:
        from e2e3d.data.ref import Ref
        from e2e3d.jobs.config import PipelineConfig
        from e2e3d.stages import depth
        from e2e3d.stages.base import RunContext

        reference, *sources = map(Ref.of, (self._views[i], *self._views[:i], *self._views[i + 1 :]))
        return depth.run(depth.DepthInputs(reference, tuple(sources)), PipelineConfig().depth, RunContext(device))


def compare(views: list[Any], store: str, device: str = "cuda") -> dict[str, float]:
    """Agreement of both devices, seconds a view alone and with several in flight, and samples a second."""
    passes = Passes(views)
    cpu, cpu_s = passes("cpu")
    passes(device)  # compiles
    gpu, gpu_s = passes(device)
    seen = (cpu > 0) & (gpu > 0)
    samples = SAMPLES * count_evaluations(store)
    busy_s = in_flight(passes, device)
    return {
        "width": int(cpu.shape[1]),
        "height": int(cpu.shape[0]),
        "same_share": round(float((np.abs(gpu[seen] / cpu[seen] - 1) <= TOLERANCE).mean()), 4),
        "same_holes": round(float(((cpu > 0) == (gpu > 0)).mean()), 4),
        "cpu_one_core_s": round(cpu_s, 2),
        "gpu_s": round(gpu_s, 3),
        "gpu_busy_s": round(busy_s, 3),
        "g_samples_a_second": round(samples / busy_s / 1e9, 2),
        "texel_gb_a_second": round(4 * samples / busy_s / 1e9, 1),
    }


def in_flight(passes: Passes, device: str) -> float:
    """Seconds a view when as many processes share the card as E2E3D's own actors do."""
    from e2e3d.jobs.devices import gpu_memory_bytes
    from e2e3d.ops.threads import core_count
    from e2e3d.tasks.placement import lanes

    workers = lanes(core_count(), gpu_memory_bytes())
    with ProcessPoolExecutor(workers, get_context("spawn"), _take, (passes,)) as pool:
        list(pool.map(_one, [device] * 4 * workers, chunksize=1))  # every process compiles
        started_s = time.monotonic()
        list(pool.map(_one, [device] * 4 * workers, chunksize=1))
        return (time.monotonic() - started_s) / (4 * workers)


def _take(passes: Passes) -> None:
    global _pass
    _pass = passes


def _one(device: str) -> float:
    return float(_pass(device)[1])


def occupancy(card_facts: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Registers and local memory of each kernel, and the share of the card's threads that they leave room for."""
    from e2e3d.ops.stereo import cuda as kernels

    threads = kernels._BLOCK[0] * kernels._BLOCK[1]
    found = {}
    for name, kernel in (("start", kernels._start), ("sweep", kernels._sweep)):
        registers = max(kernel.get_regs_per_thread().values())
        blocks = 65536 // (registers * threads)
        share = min(1.0, blocks * threads / card_facts["threads_a_multiprocessor"])
        local = max(kernel.get_local_mem_per_thread().values())
        found[name] = {"registers": registers, "local_bytes": local, "occupancy": round(share, 2)}
    return found


def colmap(out: Path, size: int) -> dict[str, float | None]:
    """Seconds a view of COLMAP's CUDA PatchMatch with geometric consistency, None where pycolmap has no CUDA."""
    import pycolmap

    if not getattr(pycolmap, "has_cuda", False):
        return {"colmap_s": None}
    workspace = out / f"colmap-{size}"
    pycolmap.undistort_images(workspace, out / "sparse", out / "images", undistort_options={"max_image_size": size})
    started_s = time.monotonic()
    pycolmap.patch_match_stereo(workspace, options={"max_image_size": size, "geom_consistency": True})
    views = len(pycolmap.Reconstruction(str(workspace / "sparse")).images)
    return {"colmap_s": round((time.monotonic() - started_s) / views, 3)}


def table(figures: dict[str, Any]) -> list[str]:
    """Everything as Markdown."""
    facts = figures["card"]
    lines = [
        f"{facts['name']}, {facts['memory_gb']} GB, {facts['bandwidth_gb_s']} GB/s. Both passes of one view:",
        "",
        "| size | same within 0.1 % (goal 99 %) | CPU, one core | GPU, alone | GPU, views in flight | COLMAP CUDA "
        "| samples | texels |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in figures["sizes"].values():
        peer = "not there (pip install pycolmap-cuda12)" if entry["colmap_s"] is None else f"{entry['colmap_s']} s"
        lines.append(
            f"| {entry['width']} x {entry['height']} | {100 * entry['same_share']:.2f} % | {entry['cpu_one_core_s']} s "
            f"| {entry['gpu_s']} s | {entry['gpu_busy_s']} s | {peer} "
            f"| {entry['g_samples_a_second']} G/s | {entry['texel_gb_a_second']} GB/s |"
        )
    for name, kernel in figures["kernels"].items():
        lines.append(
            f"Kernel {name}: {kernel['registers']} registers, {kernel['local_bytes']} bytes of local memory, "
            f"occupancy at most {100 * kernel['occupancy']:.0f} %."
        )
    return lines


if __name__ == "__main__":
    main()
