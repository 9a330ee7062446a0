"""How long jobs of 100 to 100,000 photographs take on 1 to 1,000 workers, and what stops them: a discrete-event model.

usage: PYTHONPATH=. python benchmarks/scale.py MEGAPIXELS OUT [--unit-ms 5] [--store-mbs 1000] [--mapping-exponent 1.15]
       PYTHONPATH=. python benchmarks/scale.py check

       … --tile 500: as if passes that are one unit had one for every 500 photographs

OUT is the result folder of a run on `--cores` cores of this machine: its manifest says what every pass took, and
`e2e3d/config` how that grows with the photographs. A worker is one core. `--unit-ms` is what the driver spends on a
unit, from its submission to its result, `--store-mbs` what the artifact store moves in a second. `check` computes units
of known length with Ray on one and two cores, and compares the time with the model's.
"""

from __future__ import annotations

import argparse
import heapq
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rates import changes

from e2e3d.config.overrides import apply_overrides
from e2e3d.config.pairs import pairs_to_compare
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS
from e2e3d.config.workload import Cost
from e2e3d.data.stats import StageStats
from e2e3d.outputs.manifest import read_manifest
from e2e3d.pipeline.forecast import stage_costs, workload

PHOTOGRAPHS = (100, 1000, 10_000, 100_000)
WORKERS = (1, 10, 100, 1000)
EMPTY_UNITS, CHECK_UNITS, CHECK_UNIT_S = 300, 60, 0.2
_QUEUE_FACTOR = 2  # units submitted for each slot, as the executor does
_PAIRS_A_UNIT, _COMPARED_A_UNIT, _PHOTOS_A_UNIT, _IMAGES_A_UNIT, _VIEWS_A_UNIT = 9, 256, 4, 50, 8


@dataclass(frozen=True)
class PassModel:
    """A pass of a job: its units, what each takes, and whether it waits for all units before it.

    Attributes:
        seconds: of a core, each unit.
        transfer_bytes: that each unit reads and writes.
    """

    name: str
    units: int
    seconds: float
    transfer_bytes: float = 0.0
    waits: bool = True


@dataclass(frozen=True)
class Machines:
    """What a job runs on: workers of a core each, the driver's time for a unit, and the store they share."""

    workers: int
    unit_s: float
    store_bytes_s: float


@dataclass(frozen=True)
class Outcome:
    """What a simulated job took, in seconds: from start to end, of all units, of the driver, of the store, and alone.

    Attributes:
        serial_s: of passes that are one unit: nothing runs beside them.
    """

    makespan_s: float
    work_s: float
    driver_s: float
    store_s: float
    serial_s: float

    def efficiency(self, workers: int) -> float:
        """Share of the workers' time that was work."""
        return self.work_s / (workers * self.makespan_s)

    def limit(self, workers: int) -> str:
        """What the time is due to, mostly."""
        parts = {
            "work": (self.work_s - self.serial_s) / workers,
            "passes of one unit": self.serial_s,
            "driver": self.driver_s,
            "store": self.store_s,
        }
        return max(parts, key=lambda name: parts[name])


def simulate(passes: Sequence[PassModel], machines: Machines) -> Outcome:
    """Units of a pass start in order as workers fall free; the driver handles one after another, and so does the store.

    A submission waits for the driver and for room among the units in flight; a result counts once the driver took it.
    """
    free = [0.0] * machines.workers
    driver_s = store_free_s = barrier_s = 0.0
    flight: list[float] = []
    room = _QUEUE_FACTOR * machines.workers
    for one in passes:
        if one.waits:
            barrier_s = max([barrier_s, driver_s, *flight])
        moving_s = one.transfer_bytes / machines.store_bytes_s
        for _ in range(one.units):
            if len(flight) >= room:
                driver_s = max(driver_s, heapq.heappop(flight))
            driver_s = max(driver_s, barrier_s) + machines.unit_s
            start_s = max(heapq.heappop(free), driver_s)
            store_free_s = max(store_free_s, start_s) + moving_s
            end_s = max(start_s + one.seconds, store_free_s)
            heapq.heappush(free, end_s)
            heapq.heappush(flight, end_s)
    return Outcome(
        makespan_s=max([driver_s, *flight]),
        work_s=sum(one.units * one.seconds for one in passes),
        driver_s=machines.unit_s * sum(one.units for one in passes),
        store_s=sum(one.units * one.transfer_bytes for one in passes) / machines.store_bytes_s,
        serial_s=sum(one.seconds for one in passes if one.units == 1),
    )


def job(
    config: PipelineConfig, measured: Sequence[StageStats], photos: int, measured_photos: int, photo_mp: float
) -> list[PassModel]:
    """The passes of a job, from those that were measured; work of one unit grows as the settings' costs say."""
    before = stage_costs(config, workload(config, measured_photos, photo_mp))
    after = stage_costs(config, workload(config, photos, photo_mp))
    passes = []
    for stats in measured:
        if stats.stage not in before:
            continue
        small, large = before[stats.stage], after[stats.stage]
        units = units_of(stats.stage, photos, config)
        seconds = stats.cpu_s * _growth(small, large, photos / measured_photos)
        passes.append(PassModel(stats.stage, units, seconds / units, large.disk_bytes / units, _waits(stats.stage)))
    return passes


def _growth(small: Cost, large: Cost, photos: float) -> float:
    """How many times the work grows: with the photographs, where nothing is declared."""
    return large.cpu_s / small.cpu_s if small.cpu_s > 0 and large.cpu_s > 0 else photos


def units_of(stage: str, photos: int, config: PipelineConfig) -> int:
    """How many units a pass has."""
    pairs = workload(config, photos, 1.0).pairs
    counts = {
        "ingest": photos / _PHOTOS_A_UNIT,
        "overlap": pairs_to_compare(photos, config.pairs) / _COMPARED_A_UNIT,
        "matching": pairs / _PAIRS_A_UNIT,
        "geometry": photos / _IMAGES_A_UNIT,
        "fusion": photos / _VIEWS_A_UNIT,
    }
    whole_job = ("pairs", "overlapping-pairs", "still_regions", "mapping", "merge", "mesh", "texture", "export")
    return max(1, math.ceil(1 if stage in whole_job else counts.get(stage, photos)))


def _waits(stage: str) -> bool:
    """Whether a pass begins when all before it has ended; those of depth follow one another unit by unit."""
    return not stage.startswith(("refinement", "consistency", "fusion"))


def slower_mapping(passes: Iterable[PassModel], factor: float) -> list[PassModel]:
    """The passes, where mapping takes `factor` times as long."""
    return [replace(one, seconds=one.seconds * factor) if one.name == "mapping" else one for one in passes]


def table(arguments: argparse.Namespace) -> None:
    """Print the outcome of every size on every number of workers."""
    manifest = read_manifest(Path(arguments.out))
    config = apply_overrides(PRESETS[manifest.quality], changes(manifest))
    measured_photos = manifest.counts.photographs
    itself = job(config, manifest.stages, measured_photos, measured_photos, arguments.megapixels)
    expected = simulate(itself, Machines(arguments.cores, arguments.unit_ms / 1000, arguments.store_mbs * 1e6))
    print(f"the run itself on {arguments.cores} cores: {expected.makespan_s:.0f} s, took {manifest.elapsed_s:.0f} s\n")
    print("| photographs | workers | time | efficiency | units | driver | store | passes of one unit | limited by |")
    print("|---" * 9 + "|")
    for photos in PHOTOGRAPHS:
        passes = job(config, manifest.stages, photos, measured_photos, arguments.megapixels)
        passes = slower_mapping(passes, (photos / measured_photos) ** (arguments.mapping_exponent - 1))
        passes = tiled(passes, photos, arguments.tile)
        units = sum(one.units for one in passes)
        for workers in WORKERS:
            machines = Machines(workers, arguments.unit_ms / 1000, arguments.store_mbs * 1e6)
            outcome = simulate(passes, machines)
            cells = (
                f"{photos:,}",
                f"{workers:,}",
                _hours(outcome.makespan_s),
                f"{outcome.efficiency(workers):.0%}",
                f"{units:,}",
                _hours(outcome.driver_s),
                _hours(outcome.store_s),
                _hours(outcome.serial_s),
                outcome.limit(workers),
            )
            print(f"| {' | '.join(cells)} |", flush=True)
    if arguments.tile:
        return
    longest = sorted((one for one in passes if one.units == 1), key=lambda one: -one.seconds)
    print("passes of one unit, longest first: " + ", ".join(f"{one.name} {_hours(one.seconds)}" for one in longest[:5]))


def tiled(passes: Iterable[PassModel], photos: int, tile: int) -> list[PassModel]:
    """The passes as if those of one unit were cut into tiles of so many photographs; 0 leaves them."""
    cut = max(1, math.ceil(photos / tile)) if tile else 1

    def tiles(one: PassModel) -> PassModel:
        return replace(one, units=cut, seconds=one.seconds / cut, transfer_bytes=one.transfer_bytes / cut)

    return [tiles(one) if one.units == 1 else one for one in passes]


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def check() -> None:
    """Compute units that sleep, on one core and on two, and compare; empty ones say what a unit costs the driver."""
    print("| workers | an empty unit | units | measured | of the model | ratio |\n|---|---|---|---|---|---|")
    everything = os.sched_getaffinity(0)
    for workers in (1, 2):
        os.sched_setaffinity(0, sorted(everything)[:workers])
        unit_s, measured_s = sleep_on_ray()
        os.sched_setaffinity(0, everything)
        expected = simulate([PassModel("sleep", CHECK_UNITS, CHECK_UNIT_S)], Machines(workers, unit_s, math.inf))
        cells = (f"{1000 * unit_s:.1f} ms", f"{CHECK_UNITS} of {CHECK_UNIT_S} s", f"{measured_s:.2f} s")
        ratio = expected.makespan_s / measured_s
        print(f"| {workers} | {' | '.join(cells)} | {expected.makespan_s:.2f} s | {ratio:.2f} |", flush=True)


def sleep_on_ray() -> tuple[float, float]:
    """Seconds of an empty unit, and of all units that sleep, with Ray on the cores of this process."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from e2e3d.storage.store import ArtifactStore
    from e2e3d.tasks.executor import RayExecutor
    from tests.pipeline import toy_stages as toy

    def seconds(first: int, count: int, each_s: float) -> float:
        units = [toy.ToyInputs(first + i, np.full(1, each_s)) for i in range(count)]
        started_s = time.perf_counter()
        run.map(toy.SLEEP, units, toy.ToyConfig())
        return time.perf_counter() - started_s

    with tempfile.TemporaryDirectory() as folder, RayExecutor(ArtifactStore(folder)) as run:
        seconds(0, 8, 0.0)  # processes start
        return seconds(100, EMPTY_UNITS, 0.0) / EMPTY_UNITS, seconds(10_000, CHECK_UNITS, CHECK_UNIT_S)


def main() -> None:
    """Do what the command line says."""
    if sys.argv[1:] == ["check"]:
        check()
        return
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("megapixels", type=float)
    parser.add_argument("out")
    parser.add_argument("--unit-ms", type=float, default=5.0)
    parser.add_argument("--store-mbs", type=float, default=1000.0)
    parser.add_argument("--mapping-exponent", type=float, default=1.15)
    parser.add_argument("--tile", type=int, default=0)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    table(parser.parse_args())


if __name__ == "__main__":
    main()
