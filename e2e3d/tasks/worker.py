"""What runs inside a Ray worker: one unit, with its inputs from the Ray store or the artifact store."""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

import ray
from threadpoolctl import threadpool_limits

from e2e3d.data.ref import Ref
from e2e3d.data.stats import UnitStats
from e2e3d.errors import E2E3DError
from e2e3d.pipeline.units import UnitCall, bind, measured, memory_bytes, resolve
from e2e3d.runtime.priority import compute_behind_answers
from e2e3d.runtime.threads import set_num_threads
from e2e3d.stages.stage import RunContext
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.input_cache import InputCache
from e2e3d.tasks.large_units import begin

_CACHE_BYTES = 64 << 20
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


@dataclass(frozen=True)
class UnitGrant:
    """What the executor gives to a unit.

    Attributes:
        context: device and threads.
        log_level: of the records that are sent back.
        keep_bytes: largest result that is kept in the Ray store besides the artifact store.
    """

    context: RunContext
    log_level: int
    keep_bytes: int


@dataclass(frozen=True)
class StoreHandle:
    """The artifact store as tasks name it: how to reach it lies in the Ray store, and a worker fetches it once.

    So the secret of S3 is in the arguments of no task, which Ray keeps, logs and shows.

    Attributes:
        access: reference to the URL of the store and its :class:`~e2e3d.config.deployment.s3.S3Options`.
    """

    access: Any

    @staticmethod
    def of(store: ArtifactStore) -> StoreHandle:
        """Share a store with the workers of the cluster that this process is connected to."""
        return StoreHandle(ray.put((store.url, store.options)))

    def open(self) -> ArtifactStore:
        """The store, opened once in each process."""
        return _open_store(self)


@functools.lru_cache(maxsize=4)
def _open_store(handle: StoreHandle) -> ArtifactStore:
    return ArtifactStore(*ray.get(handle.access))


@dataclass(frozen=True)
class UnitReport:
    """How a unit ended: its cost, or the expected error that it raised.

    Attributes:
        kept_bytes: size of the result in the Ray store, 0 when it is only in the artifact store.
        logs: level, logger and message of what was logged meanwhile.
        began_ns: when the worker took it up, and `ended_ns` when its result was stored; since the epoch, by its clock.
    """

    stats: UnitStats | None
    error: E2E3DError | None
    kept_bytes: int
    logs: tuple[tuple[int, str, str], ...]
    began_ns: int
    ended_ns: int

    def cost(self) -> UnitStats:
        """What the unit cost; raises the error that the unit raised."""
        if self.error is not None:
            raise self.error
        if self.stats is None:
            raise RuntimeError("a unit ended without statistics")
        return self.stats


@dataclass(frozen=True)
class UnitOrder:
    """All that a worker is told of a unit, as one argument of its task: Ray pickles and checks every argument apart.

    Attributes:
        call: the unit.
        grant: device, threads, and what to send back.
        store: holds its other inputs, and takes its result.
        keys: content keys of the values that come through the Ray store.
        waiting: the name by which other drivers know that this large unit waits; empty = they don't.
    """

    call: UnitCall
    grant: UnitGrant
    store: StoreHandle
    keys: tuple[str, ...]
    waiting: str = ""


def execute(
    call: UnitCall, grant: UnitGrant, store: ArtifactStore, keys: tuple[str, ...], values: tuple[object, ...]
) -> tuple[object, UnitReport]:
    """Run one unit and store its result.

    Args:
        call: the unit.
        grant: device, threads, and what to send back.
        store: holds its other inputs, and takes its result.
        keys: content keys of `values`.
        values: inputs that came through the Ray store.

    Returns:
        the result, for the Ray store (None when it is too large to keep there or the unit failed), and the report.
    """
    began_ns = time.time_ns()
    stage = resolve(call.stage_path)
    _limit_threads(grant.context.threads)
    loader = _Loader(store, dict(zip(keys, values, strict=True)))
    with _CapturedLogs(grant.log_level) as logs:
        try:
            output, stats = measured(stage, bind(call.inputs, loader), call.config, grant.context)
            store.put(call.key, output, stats)
        except E2E3DError as error:
            return None, UnitReport(None, error, 0, logs.records, began_ns, time.time_ns())
    ended_ns = time.time_ns()
    size = memory_bytes(output)
    kept = output if size <= grant.keep_bytes else None
    del loader, output
    _release_memory()
    return kept, UnitReport(stats, None, size if kept is not None else 0, logs.records, began_ns, ended_ns)


def _unit_task(order: UnitOrder, *values: object) -> tuple[object, UnitReport]:
    """One unit; values come as arguments of their own so that Ray resolves references to them."""
    compute_behind_answers()
    if order.waiting:
        begin(order.waiting)
    return execute(order.call, order.grant, order.store.open(), order.keys, values)


class GpuUnits:
    """Runs units on a GPU, which it may share; it lives through all stages, so CUDA and its kernels stay warm."""

    def run_unit(self, order: UnitOrder, *values: object) -> tuple[object, UnitReport]:
        """One unit."""
        return _unit_task(order, *values)


def _gpu_memory() -> int:
    """Memory of the card that Ray gives to this process."""
    from e2e3d.runtime.gpu_devices import gpu_memory_bytes

    return gpu_memory_bytes()


def _occupy_core() -> None:
    """Ask for a core; there is one when this ends."""


# The executor retries, counts and replaces actors whose process died; Ray does not.
run_unit = ray.remote(num_returns=2, max_retries=0)(_unit_task)
GpuWorker = ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0)(GpuUnits)
gpu_memory = ray.remote(num_gpus=0.01, num_cpus=0)(_gpu_memory)
occupy_core = ray.remote(num_cpus=1, max_retries=-1)(_occupy_core)


class _Loader:
    """Gives a unit and its threads their inputs; what the store gave is kept, within bounds, for the next."""

    def __init__(self, store: ArtifactStore, values: dict[str, object]) -> None:
        self._store = store
        self._values = values

    def __call__(self, ref: Ref[Any]) -> Any:
        if ref.key in self._values:
            return self._values[ref.key]
        return _inputs.get((self._store.url, ref.key), lambda: self._store.get(ref.key, ref.type))


_inputs = InputCache(_CACHE_BYTES)


class _CapturedLogs(logging.Handler):
    """Collects what the package logs while a unit runs."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._records: list[tuple[int, str, str]] = []

    @property
    def records(self) -> tuple[tuple[int, str, str], ...]:
        return tuple(self._records)

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append((record.levelno, record.name, record.getMessage()))

    def __enter__(self) -> _CapturedLogs:
        logger = logging.getLogger("e2e3d")
        if logger.level != self.level:
            logger.setLevel(self.level)  # empties what all loggers have cached
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("e2e3d").removeHandler(self)


def _limit_threads(threads: int) -> None:
    """Let the numerical libraries use as many threads as were granted: those loaded already, and those to come."""
    state = threads, len(sys.modules)
    if _limited == [state]:
        return  # looking through the loaded libraries takes milliseconds
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    set_num_threads(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
    if cv2 := sys.modules.get("cv2"):
        cv2.setNumThreads(threads)
    threadpool_limits(limits=threads)
    _limited[:] = [state]


_limited: list[tuple[int, int]] = []  # how many threads were granted last, when so many modules were loaded


def _release_memory() -> None:
    """Give freed memory back to the system: an idle worker should not hold the peak of its last unit."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return
