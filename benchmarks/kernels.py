"""Profile of the stereo kernels: samples a second and core, evaluations a pixel, and what a new worker's start costs.

usage: python benchmarks/kernels.py STORE

STORE is the artifact store of a run (OUT/.e2e3d/store), whose first photograph is profiled.
A sample is one bilinear value with its share of the NCC sums; an evaluation is the correlation of one window in one
source. Evaluations are counted in a process of its own, whose kernels count.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from e2e3d.data.dense import DepthMap, View

SAMPLES = 32
_STARTS = 5
_RAY_ENVIRONMENT = {"OMP_NUM_THREADS": "1"}  # what Ray gives to the workers of tasks that take one core


def main() -> None:
    """Print one line of JSON."""
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(worker_start(float(sys.argv[2]))))
    elif sys.argv[1:2] == ["--count"]:
        count = counting_evaluations()  # before anything that imports the kernels
        print(json.dumps(passes(stored_views(sys.argv[2]), count)))
    elif len(sys.argv) == 2:
        print(json.dumps(profile(sys.argv[1])))
    else:
        sys.exit(__doc__)


def profile(store: str) -> dict[str, float]:
    """Rates of the kernels as they are, with the counts of a second process."""
    counted = _counted(store)
    passes(tiny_views(), int)  # compiles, or loads what was compiled
    with recorded_problems() as problems:
        timed = passes(stored_views(store), int)
    largest = max(problems, key=lambda problem: problem.grey.size)
    figures = {"inner_m_samples_a_second": round(inner_rate(largest) / 1e6, 1)}
    for name in ("photometric", "consistency"):
        evaluations, cpu_s, pixels = counted[f"{name}_evaluations"], timed[f"{name}_cpu_s"], timed["pixels"]
        figures[f"{name}_m_samples_a_second"] = round(SAMPLES * evaluations / cpu_s / 1e6, 1)
        figures[f"{name}_evaluations_a_pixel"] = round(evaluations / pixels, 1)
        figures[f"{name}_cpu_us_a_pixel"] = round(1e6 * cpu_s / pixels, 2)
    return figures | _typical_start()


def _typical_start() -> dict[str, float]:
    """The medians of some starts: single ones differ by a third."""
    starts = [_child(["--worker", str(time.time())], _RAY_ENVIRONMENT) for _ in range(_STARTS)]
    return {name: statistics.median(start[name] for start in starts) for name in starts[0]}


def count_evaluations(store: str) -> float:
    """Evaluations of all passes of the first view of a run's store; each geometric one counts as the last."""
    from e2e3d.config.consistency import REFINEMENTS

    counted = _counted(store)
    return counted["photometric_evaluations"] + (1 + len(REFINEMENTS)) * counted["consistency_evaluations"]


def _counted(store: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as cache:
        return _child(["--count", store], {"NUMBA_CACHE_DIR": cache})


def passes(views: list[View], count: Callable[[], int]) -> dict[str, float]:
    """CPU seconds and evaluations (by `count`) of both stereo passes of the first view on one thread."""
    from e2e3d.data.ref import Ref
    from e2e3d.stages import consistency, depth
    from e2e3d.stages.stage import RunContext

    config, context = depth.DepthConfig(), RunContext()
    refs = [Ref.of(view) for view in views]

    def first_pass(i: int) -> DepthMap:
        return depth.run(depth.DepthInputs(refs[i], tuple(refs[:i] + refs[i + 1 :])), config, context)

    maps, photometric_s, photometric = _measured(lambda: first_pass(0), count)
    around = [Ref.of(first_pass(i)) for i in range(1, len(refs))]
    inputs = consistency.ConsistencyInputs(refs[0], tuple(refs[1:]), Ref.of(maps), tuple(around))
    _, second_s, second = _measured(lambda: consistency.run(inputs, consistency.ConsistencyConfig(), context), count)
    return {
        "pixels": float(maps.depth.size),
        "photometric_cpu_s": photometric_s,
        "photometric_evaluations": float(photometric),
        "consistency_cpu_s": second_s,
        "consistency_evaluations": float(second),
    }


def _measured(work: Callable[[], DepthMap], count: Callable[[], int]) -> tuple[DepthMap, float, int]:
    """The result of `work`, its CPU seconds, and its evaluations."""
    before, started_s = count(), time.process_time()
    result = work()
    return result, time.process_time() - started_s, count() - before


def stored_views(store: str) -> list[View]:
    """The first photograph of a run and its sources, best first, as undistorted for depth."""
    from e2e3d.data.dense import View
    from e2e3d.storage.store import ArtifactStore

    artifacts = ArtifactStore(store)
    keys = sorted(f"undistort/{file.stem}" for file in (Path(store) / "undistort").rglob("*") if file.is_file())
    views = {view.image_index: view for view in (artifacts.get(key, View) for key in keys)}
    first = views[min(views)]
    return [first, *(views[source] for source in first.sources[:6] if source in views)]


def tiny_views() -> list[View]:
    """Three views of noise: enough to run every kernel once."""
    import numpy as np

    from e2e3d.data.dense import View

    noise = np.random.default_rng(0).integers(0, 255, (72, 96, 3)).astype(np.uint8)
    poses = [np.concatenate([np.eye(3), np.array([[shift], [0], [0]])], 1) for shift in (0.0, -0.1, 0.1)]
    return [
        View(
            name=str(i),
            image_index=i,
            image=noise,
            mask=None,
            intrinsics_px=np.array([90.0, 90.0, 48.0, 36.0]),
            cam_from_world=pose,
            depth_range=(2.0, 9.0),
            sources=tuple(j for j in range(3) if j != i),
            source_scores=np.ones(2, np.float32),
            sparse_px=np.array([[48, 36]], np.float32),
            sparse_depth=np.array([4], np.float32),
        )
        for i, pose in enumerate(poses)
    ]


@contextlib.contextmanager
def recorded_problems() -> Iterator[list[Any]]:
    """Collects what the CPU launcher is given meanwhile."""
    from e2e3d.ops.stereo.cpu import CpuLauncher

    problems: list[Any] = []
    original = CpuLauncher.improve

    def improve(self: Any, problem: Any, *arguments: Any) -> Any:
        problems.append(problem)
        return original(self, problem, *arguments)

    CpuLauncher.improve = improve  # type: ignore[method-assign]
    try:
        yield problems
    finally:
        CpuLauncher.improve = original  # type: ignore[method-assign]


def inner_rate(problem: Any) -> float:
    """Samples a second when one plane after another is evaluated at the same pixel: the innermost functions alone."""
    import numba
    import numpy as np

    from e2e3d.ops.stereo.cpu import new_scratch
    from e2e3d.ops.stereo.hypothesis import view_cost
    from e2e3d.ops.stereo.planes import Plane
    from e2e3d.ops.stereo.visit import load_reference

    @numba.njit(error_model="numpy")
    def work(problem: Any, scratch: Any, rounds: int) -> float:
        height, width = problem.grey.shape
        x, y = width // 2, height // 2
        load_reference(problem, scratch.patch, x, y)
        px, py, flat = np.float32(x + 0.5), np.float32(y + 0.5), np.float32(0)
        total = np.float32(0)
        for i in range(rounds):
            share = np.float32(0.4) + np.float32(0.2) * np.float32(i % 1000) / np.float32(1000)
            w = problem.search.w_min + share * (problem.search.w_max - problem.search.w_min)
            total += view_cost(problem, scratch, i % len(problem.layout), px, py, Plane(w, flat, flat))
        return total

    rounds = 1_000_000
    work(problem, new_scratch(), 10)
    started_s = time.process_time()
    work(problem, new_scratch(), rounds)
    return SAMPLES * rounds / (time.process_time() - started_s)


def counting_evaluations() -> Any:
    """Put a counter into the innermost function, before any kernel that calls it is compiled; returns its reader."""
    import numba
    import numpy as np
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic

    from e2e3d.ops.stereo import correlation

    counter = np.zeros(1, np.int64)
    address, original = counter.ctypes.data, correlation.correlation_cost

    @intrinsic
    def count_one(typing_context: Any, where: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            cell = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
            builder.store(builder.add(builder.load(cell), ir.Constant(ir.IntType(64), 1)), cell)
            return context.get_dummy_value()

        return types.void(types.int64), generate

    @numba.njit(error_model="numpy")
    def counted(*arguments: Any) -> Any:
        count_one(address)
        return original(*arguments)

    correlation.correlation_cost = counted
    return lambda: int(counter[0])


def worker_start(started_at: float) -> dict[str, float]:
    """CPU and wall seconds that a fresh process, as a Ray worker is, adds to its first units of stereo.

    That is until it has run one tiny unit of each pass, less what the same units take when everything is loaded.

    Args:
        started_at: when the process was started, seconds since 1970.
    """
    import e2e3d.tasks.worker  # noqa: F401 - what a worker loads before its first unit, Ray included

    views = tiny_views()
    passes(views, int)
    cpu_s, ended_at = time.process_time(), time.time()
    passes(views, int)
    again_cpu_s, again_s = time.process_time() - cpu_s, time.time() - ended_at
    return {
        "worker_cpu_s": round(cpu_s - again_cpu_s, 2),
        "worker_wall_s": round(ended_at - started_at - again_s, 2),
    }


def _child(arguments: list[str], environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


if __name__ == "__main__":
    main()
