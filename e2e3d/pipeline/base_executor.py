"""What both executors share: keys, reuse of stored results, accounting, progress."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from e2e3d.data.ref import Ref
from e2e3d.data.stats import StageStats, UnitStats
from e2e3d.pipeline.cancellation import CancelToken
from e2e3d.pipeline.passes import Pass, PassAnnouncer, PassUnits
from e2e3d.pipeline.progress import Progress
from e2e3d.runtime.tracing import span
from e2e3d.stages.stage import Stage
from e2e3d.storage.store import ArtifactStore

InputsT = TypeVar("InputsT")
ConfigT = TypeVar("ConfigT")
OutputT = TypeVar("OutputT")
T = TypeVar("T")
UnitDone = Callable[[str, UnitStats], None]

_LOOKUP_THREADS = 16


class ArtifactObserver(Protocol):
    """Follows which results a run uses and makes, beside its progress; called from the thread that called `map`."""

    def uses(self, keys: Sequence[str]) -> None:
        """The run depends on these results from now on, whether they are stored already or still to be computed."""
        ...

    def pass_finished(self, label: str, results: Sequence[Ref[Any]]) -> None:
        """All results of a pass are stored."""
        ...


class StoreExecutor(ABC):
    """An executor over an artifact store; subclasses say how units that are not stored yet are computed.

    Args:
        store: where results are kept and found.
        progress: told of every pass and unit.
        cancel: asked between units; a set token ends the running pass with CancelledError.
        observer: receives the keys of the results that the run uses.
    """

    def __init__(
        self, store: ArtifactStore, progress: Progress, cancel: CancelToken, observer: ArtifactObserver | None = None
    ) -> None:
        self.store = store
        self._observer = observer
        self._progress = progress
        self._cancel = cancel
        self._stats: list[StageStats] = []

    def put_blob(self, data: bytes | memoryview) -> Ref[bytes]:
        """See :class:`e2e3d.pipeline.executor.Executor`."""
        ref = self.blob(self.store.put_blob(data))
        if self._observer is not None:
            self._observer.uses([ref.key])
        return ref

    def blob(self, sha256: str) -> Ref[bytes]:
        """See :class:`e2e3d.pipeline.executor.Executor`."""
        return self._reference(Ref.blob(sha256).key, bytes)

    def map(
        self,
        stage: Stage[InputsT, ConfigT, OutputT],
        inputs: Sequence[InputsT],
        config: ConfigT,
        label: str | None = None,
        names: Sequence[str] = (),
    ) -> list[Ref[OutputT]]:
        """See :class:`e2e3d.pipeline.executor.Executor`."""
        return self.map_passes([Pass(stage, inputs, config, label, names)])[0]

    def map_passes(self, passes: Sequence[Pass[Any, Any, Any]]) -> list[list[Ref[Any]]]:
        """See :class:`e2e3d.pipeline.executor.Executor`."""
        self._cancel.check()
        keys = list(dict.fromkeys(key for one in passes for key in one.keys))
        if self._observer is not None:
            self._observer.uses(keys)
        known = {key: stats for key, stats in zip(keys, self._lookup(keys), strict=True) if stats is not None}
        ledger = PassAnnouncer(passes, known, self._progress, self._pass_ended)
        taken = set(known)
        work = []
        for one in passes:
            units = {key: unit for key, unit in zip(one.keys, one.inputs, strict=True) if key not in taken}
            taken.update(units)
            work.append(PassUnits(one.stage, one.config, units, one.titles))
        try:
            if any(part.units for part in work):
                self._compute(work, ledger.computed)
        finally:
            ledger.close()
        return [self._results(one) for one in passes]

    def _results(self, one: Pass[Any, Any, OutputT]) -> list[Ref[OutputT]]:
        return [self._reference(ref.key, ref.type) for ref in one.results]

    def _pass_ended(self, one: Pass[Any, Any, Any], stats: StageStats, completed: bool) -> None:
        self._stats.append(stats)
        if completed and self._observer is not None:
            self._observer.pass_finished(one.name, self._results(one))

    @contextlib.contextmanager
    def announced(self, label: str) -> Iterator[None]:
        """See :class:`e2e3d.pipeline.executor.Executor`."""
        started_s, cpu_started_s = time.monotonic(), time.process_time()
        self._progress.stage_started(label, 1)
        with span(label):
            yield
        elapsed_s, cpu_s = time.monotonic() - started_s, time.process_time() - cpu_started_s
        peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self._progress.unit_finished(label, UnitStats(elapsed_s, cpu_s, peak_bytes, socket.gethostname()), False)
        self._progress.stage_finished(StageStats(label, 1, 0, elapsed_s, cpu_s, peak_bytes))

    @abstractmethod
    def close(self) -> None:
        """Let go of what the executor holds beside its store."""

    @property
    def stats(self) -> tuple[StageStats, ...]:
        """See :class:`e2e3d.pipeline.executor.Executor`."""
        return tuple(self._stats)

    @abstractmethod
    def _compute(self, work: Sequence[PassUnits], done: UnitDone) -> None:
        """Compute and store every unit; call `done` with key and cost once its result is stored.

        Inputs may be results of units of earlier work.
        """

    def _load(self, ref: Ref[T]) -> T:
        return self.store.get(ref.key, ref.type)

    def _reference(self, key: str, value_type: type[T]) -> Ref[T]:
        ref = Ref(key, value_type)
        return ref.bound(lambda: self._load(ref))

    def _lookup(self, keys: list[str]) -> list[UnitStats | None]:
        """Cost of the units that are stored, None for the others.

        Files of a folder are checked whole, since disks lose bits; a server keeps its own checksums, and is asked for
        the first bytes of an object only.
        """
        if self.store.local:
            return [self.store.stats(key) for key in keys]
        with ThreadPoolExecutor(_LOOKUP_THREADS) as pool:
            return list(pool.map(self.store.describe, keys))
