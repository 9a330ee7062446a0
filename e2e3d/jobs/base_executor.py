"""What both executors share: keys, reuse of stored results, accounting, progress."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from e2e3d.data.ref import Ref
from e2e3d.data.stats import StageStats, UnitStats
from e2e3d.jobs.cancel import CancelToken
from e2e3d.jobs.progress import Progress
from e2e3d.stages.base import Stage
from e2e3d.storage.keys import content_key
from e2e3d.storage.store import ArtifactStore

InputsT = TypeVar("InputsT")
ConfigT = TypeVar("ConfigT")
OutputT = TypeVar("OutputT")
T = TypeVar("T")
UnitDone = Callable[[str, UnitStats], None]

_LOOKUP_THREADS = 16


class Witness(Protocol):
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
        witness: told which results the run uses.
    """

    def __init__(
        self, store: ArtifactStore, progress: Progress, cancel: CancelToken, witness: Witness | None = None
    ) -> None:
        self.store = store
        self._witness = witness
        self._progress = progress
        self._cancel = cancel
        self._stats: list[StageStats] = []

    def put_blob(self, data: bytes) -> Ref[bytes]:
        """See :class:`e2e3d.jobs.executor.Executor`."""
        ref = self.blob(self.store.put_blob(data))
        if self._witness is not None:
            self._witness.uses([ref.key])
        return ref

    def blob(self, sha256: str) -> Ref[bytes]:
        """See :class:`e2e3d.jobs.executor.Executor`."""
        return self._reference(Ref.blob(sha256).key, bytes)

    def map(
        self,
        stage: Stage[InputsT, ConfigT, OutputT],
        inputs: Sequence[InputsT],
        config: ConfigT,
        label: str | None = None,
    ) -> list[Ref[OutputT]]:
        """See :class:`e2e3d.jobs.executor.Executor`."""
        self._cancel.check()
        account = _Pass(label or stage.name, len(inputs), self._progress)
        keys = [content_key(stage, unit, config) for unit in inputs]
        units = dict(zip(keys, inputs, strict=True))
        if self._witness is not None:
            self._witness.uses(list(units))
        copies = Counter(keys)
        pending = {}
        for key, known in zip(units, self._lookup(list(units)), strict=True):
            if known is None:
                pending[key] = units[key]
                account.expect(key, copies[key])
            else:
                account.reused(known, copies[key])
        try:
            if pending:
                self._compute(stage, pending, config, account.computed)
        finally:
            self._stats.append(account.close())
        results = [self._reference(key, stage.output) for key in keys]
        if self._witness is not None:
            self._witness.pass_finished(label or stage.name, results)
        return results

    @property
    def stats(self) -> tuple[StageStats, ...]:
        """See :class:`e2e3d.jobs.executor.Executor`."""
        return tuple(self._stats)

    @abstractmethod
    def _compute(
        self, stage: Stage[Any, Any, Any], units: Mapping[str, object], config: object, done: UnitDone
    ) -> None:
        """Compute and store every unit; call `done` with key and cost once its result is stored."""

    def _load(self, ref: Ref[T]) -> T:
        return self.store.get(ref.key, ref.type)

    def _reference(self, key: str, value_type: type[T]) -> Ref[T]:
        ref = Ref(key, value_type)
        return ref.bound(lambda: self._load(ref))

    def _lookup(self, keys: list[str]) -> list[UnitStats | None]:
        if self.store.local or len(keys) < 2:
            return [self.store.stats(key) for key in keys]
        with ThreadPoolExecutor(_LOOKUP_THREADS) as pool:
            return list(pool.map(self.store.stats, keys))


class _Pass:
    """Accounting of one call of `map`."""

    def __init__(self, label: str, units: int, progress: Progress) -> None:
        self._label = label
        self._units = units
        self._progress = progress
        self._started_s = time.perf_counter()
        self._copies: dict[str, int] = {}
        self._reused = 0
        self._cpu_s = 0.0
        self._peak_bytes = 0
        progress.stage_started(label, units)

    def expect(self, key: str, copies: int) -> None:
        self._copies[key] = copies

    def reused(self, stats: UnitStats, copies: int) -> None:
        self._reused += copies
        self._add(stats)
        for _ in range(copies):
            self._progress.unit_finished(self._label, stats, reused=True)

    def computed(self, key: str, stats: UnitStats) -> None:
        self._add(stats)
        for _ in range(self._copies[key]):
            self._progress.unit_finished(self._label, stats, reused=False)

    def _add(self, stats: UnitStats) -> None:
        self._cpu_s += stats.cpu_s
        self._peak_bytes = max(self._peak_bytes, stats.peak_memory_bytes)

    def close(self) -> StageStats:
        stats = StageStats(
            stage=self._label,
            units=self._units,
            reused_units=self._reused,
            elapsed_s=time.perf_counter() - self._started_s,
            cpu_s=self._cpu_s,
            peak_memory_bytes=self._peak_bytes,
        )
        self._progress.stage_finished(stats)
        return stats
