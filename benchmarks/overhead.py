"""What a unit costs beside its work: trivial units on a private Ray of this machine, with a store in a folder.

    python -m benchmarks.overhead [UNITS …]

Prints, for each number of units (1000 and 20000), wall milliseconds a unit, CPU of the driver's process and of all of
Ray's, how much of one core the driver took, and its largest memory. CPU hardly changes when the machine is busy, while
wall times do.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.executor import RayExecutor
from tests.pipeline.toy_stages import SCALE, ToyConfig, ToyInputs

_VALUES = np.zeros(3)


def cpu_of_all_s() -> float:
    """CPU seconds of this process and of those below it."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def measure(executor: RayExecutor, first: int, count: int) -> dict[str, float]:
    """Compute so many units that were never computed before."""
    inputs = [ToyInputs(first + number, _VALUES) for number in range(count)]
    started_s, cpu_started_s, all_started_s = time.perf_counter(), time.process_time(), cpu_of_all_s()
    executor.map(SCALE, inputs, ToyConfig())
    elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_started_s
    all_s = cpu_of_all_s() - all_started_s
    return {
        "units": count,
        "ms a unit": round(1000 * elapsed_s / count, 2),
        "CPU ms of the driver a unit": round(1000 * cpu_s / count, 2),
        "CPU ms of all processes a unit": round(1000 * all_s / count, 2),
        "driver, cores": round(cpu_s / elapsed_s, 3),
        "driver, MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Print a line a count."""
    counts = [int(word) for word in sys.argv[1:]] or [1000, 20_000]
    with (
        tempfile.TemporaryDirectory(prefix="e2e3d-overhead-") as folder,
        RayExecutor(ArtifactStore(str(Path(folder) / "store")), device="cpu") as executor,
    ):
        measure(executor, 10**9, 50)  # starts Ray and its workers
        for number, count in enumerate(counts):
            print(json.dumps(measure(executor, number * 10**6, count)), flush=True)


if __name__ == "__main__":
    main()
