"""Stages small enough to see through, for the executor contract; each unit leaves a line in a log when it computes."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e2e3d.config.workload import Cost, Workload
from e2e3d.data.ref import Ref
from e2e3d.errors import ReconstructionError
from e2e3d.stages.stage import Resources, RunContext, Stage


@dataclass(frozen=True)
class Numbers:
    values: NDArray[np.float64]
    device: str = "cpu"
    threads: int = 0


@dataclass(frozen=True)
class ToyConfig:
    factor: float = 2.0
    folder: str = ""


@dataclass(frozen=True)
class ToyInputs:
    start: int
    values: NDArray[np.float64]
    others: tuple[Ref[Numbers], ...] = ()


def computed(folder: Path) -> list[str]:
    log = folder / "computed.log"
    return log.read_text().split() if log.exists() else []


def _note(config: ToyConfig, name: object) -> None:
    if config.folder:
        with (Path(config.folder) / "computed.log").open("a") as log:
            log.write(f"{name}\n")


def _scale(inputs: ToyInputs, config: ToyConfig, context: RunContext) -> Numbers:
    assert not inputs.values.flags.writeable
    total = inputs.values * config.factor + inputs.start
    for other in inputs.others:
        values = other.load().values
        assert not values.flags.writeable
        total = total + values
    _note(config, inputs.start)
    return Numbers(total, context.device, context.threads)


SCALE = Stage(name="toy-scale", version=1, config=ToyConfig, output=Numbers, run=_scale)


def _scale_all(inputs: ToyInputs, config: ToyConfig, context: RunContext) -> Numbers:
    return _scale(inputs, config, context)


SCALE_ALL_CORES = Stage("toy-all", 1, ToyConfig, Numbers, _scale_all, Resources(cpus=0, gpu=True))


def _fail(inputs: ToyInputs, config: ToyConfig, context: RunContext) -> Numbers:
    if inputs.start == 1:
        raise ReconstructionError("toy", "Unit 1 cannot be computed.", "Leave it out.")
    if inputs.start == 2:
        raise ZeroDivisionError("a bug")
    time.sleep(0.2)
    _note(config, inputs.start)
    return Numbers(inputs.values)


FAIL = Stage("toy-fail", 1, ToyConfig, Numbers, _fail)


def _burn(inputs: ToyInputs, config: ToyConfig, context: RunContext) -> Numbers:
    block = np.ones(int(inputs.values[0]))
    started_s = time.process_time()
    while time.process_time() - started_s < 0.3:
        block += 1
    return Numbers(block[:1])


BURN = Stage("toy-burn", 1, ToyConfig, Numbers, _burn)


def _die(inputs: ToyInputs, config: ToyConfig, context: RunContext) -> Numbers:
    """Kills its own process as long as there are lives left in the folder's `lives` files."""
    _note(config, inputs.start)
    lives = sorted(Path(config.folder).glob("life*"))
    if inputs.start == 0 and lives:
        lives[0].unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return Numbers(inputs.values + inputs.start)


DIE = Stage("toy-die", 1, ToyConfig, Numbers, _die)


def _sleep(inputs: ToyInputs, config: ToyConfig, context: RunContext) -> Numbers:
    (Path(config.folder) / f"pid{os.getpid()}").touch()
    time.sleep(float(inputs.values[0]))
    _note(config, inputs.start)
    return Numbers(inputs.values, context.device, context.threads)


def _hang_once(inputs: ToyInputs, config: ToyConfig, context: RunContext) -> Numbers:
    """The first process that computes unit 0 hangs for a minute."""
    mark = Path(config.folder) / "hung"
    if inputs.start == 0 and not mark.exists():
        mark.touch()
        time.sleep(60)
    _note(config, inputs.start)
    return Numbers(inputs.values)


HANG_ONCE = Stage("toy-hang-once", 1, ToyConfig, Numbers, _hang_once)


def _small(work: Workload, config: ToyConfig) -> Cost:
    return Cost(memory_bytes=1e6)


SLEEP = Stage("toy-sleep", 1, ToyConfig, Numbers, _sleep)
SLEEP_ON_ALL_CORES = Stage("toy-sleep-all", 1, ToyConfig, Numbers, _sleep, Resources(cpus=0))
SLEEP_ELSEWHERE = Stage("toy-sleep-elsewhere", 1, ToyConfig, Numbers, _sleep, cost=_small)


def _long_native_call(inputs: ToyInputs, config: ToyConfig, context: RunContext) -> Numbers:
    """Spends minutes inside one call that never lets Python run."""
    (Path(config.folder) / f"pid{os.getpid()}").touch()
    _note(config, inputs.start)
    matrix = np.ones((12_000, 12_000))
    return Numbers(np.linalg.svd(matrix)[1])


NATIVE = Stage("toy-native", 1, ToyConfig, Numbers, _long_native_call)


def _hold(inputs: ToyInputs, config: ToyConfig, context: RunContext) -> Numbers:
    """Notes how many of its kind run at the same time, itself included, once it has seen as many as it waits for."""
    folder, wanted = Path(config.folder), int(inputs.values[1])
    mark = folder / f"holding{inputs.start}"
    mark.touch()
    time.sleep(1.0)
    deadline = time.monotonic() + 60
    while (beside := len(list(folder.glob("holding*")))) < wanted and held(folder) < wanted:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)  # a worker process may take many seconds to start on a busy machine
    _note(config, f"beside{beside}")
    mark.unlink()
    return Numbers(inputs.values)


def held(folder: Path) -> int:
    """The most units of HOLD that ran at the same time."""
    return max((int(line.removeprefix("beside")) for line in computed(folder)), default=0)


HOLD = Stage(
    "toy-hold",
    1,
    ToyConfig,
    Numbers,
    _hold,
    workload=lambda inputs, stored: Workload(points=float(inputs.values[0])),
    cost=lambda work, config: Cost(memory_bytes=1e9 * work.points),
)
"""Its values are the gigabytes that it declares, and how many of its kind it waits for."""
