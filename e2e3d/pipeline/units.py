"""One unit of work, wherever it runs: found by import path, bound to its inputs, measured."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from e2e3d.data.ref import Ref
from e2e3d.data.stats import UnitStats
from e2e3d.stages.plugin_stage import PluginStage, find
from e2e3d.stages.stage import RunContext, Stage

T = TypeVar("T")
Load = Callable[[Ref[Any]], Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UnitCall:
    """Everything a process needs to compute one unit: the stage as ``module:NAME``, its inputs and its settings."""

    stage_path: str
    key: str
    inputs: object
    config: object


def locate(stage: Stage[Any, Any, Any]) -> str:
    """The import path of a stage, as ``module:NAME``; of one that is a function of one's own, as that says.

    Raises:
        ValueError: if the module of its `run` function does not hold the stage: other processes could not import it.
    """
    if isinstance(stage, PluginStage):
        return stage.path
    module = sys.modules[stage.run.__module__]
    for name, value in vars(module).items():
        if value is stage:
            return f"{module.__name__}:{name}"
    raise ValueError(f"stage {stage.name} must be a module-level name of {module.__name__}, beside its run function")


def resolve(path: str) -> Stage[Any, Any, Any]:
    """The stage at an import path. Raises MachineError ``plugin-missing`` for a function that is not to be had here."""
    if "=" in path:
        return find(path)
    module, _, name = path.partition(":")
    stage = getattr(importlib.import_module(module), name)
    if not isinstance(stage, Stage):
        raise TypeError(f"{path} is not a stage")
    return stage


def references(value: object) -> Iterator[Ref[Any]]:
    """The references inside a unit's inputs, in order; some may come more than once."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from references(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from references(getattr(value, field.name))


def bind(value: T, load: Load) -> T:
    """Return a unit's inputs with `load` behind every reference and every array read-only."""
    return _bind(value, load)  # type: ignore[no-any-return]


def _bind(value: Any, load: Load) -> Any:
    if isinstance(value, Ref):
        return value.bound(lambda: load(value))
    if isinstance(value, np.ndarray):
        view = value.view()
        view.setflags(write=False)
        return view
    if isinstance(value, tuple):
        return tuple(_bind(item, load) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field.name for field in dataclasses.fields(value) if field.init)
        return dataclasses.replace(value, **{name: _bind(getattr(value, name), load) for name in fields})
    return value


def memory_bytes(value: object) -> int:
    """About how much memory a value's arrays and bytes take."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, bytes | memoryview):
        return len(value)
    if isinstance(value, tuple):
        return sum(memory_bytes(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return sum(memory_bytes(getattr(value, field.name)) for field in dataclasses.fields(value))
    return 0


def measured(stage: Stage[Any, Any, Any], inputs: object, config: object, context: RunContext) -> tuple[Any, UnitStats]:
    """Run one unit in this process and measure it.

    Returns:
        the result, and its cost: CPU seconds of all threads of this process and of the child processes it waited for.

    Raises:
        TypeError: if the result is not what the stage declares.
    """
    _reset_peak_memory()
    started_s, cpu_started_s = time.perf_counter(), _cpu_s()
    output = stage.run(inputs, config, context)
    stats = UnitStats(
        wall_s=time.perf_counter() - started_s,
        cpu_s=_cpu_s() - cpu_started_s,
        peak_memory_bytes=_peak_memory_bytes(),
        host=socket.gethostname(),
    )
    if not isinstance(output, stage.output):
        raise TypeError(f"stage {stage.name} returned a {type(output).__name__}, not a {stage.output.__name__}")
    return output, stats


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _reset_peak_memory() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        log.debug("the peak memory of single units cannot be measured here; the peak of the process is reported")


def _peak_memory_bytes() -> int:
    try:
        for line in Path("/proc/self/status").read_bytes().splitlines():  # the name in it may end within a character
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        log.debug("no /proc here")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
