"""Passes: one stage over many units; several that follow on one another, and how they are accounted for in order."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from e2e3d.data.ref import Ref
from e2e3d.data.stats import StageStats, UnitStats
from e2e3d.pipeline.progress import Progress
from e2e3d.stages.stage import Stage
from e2e3d.storage.content_keys import content_key

InputsT = TypeVar("InputsT")
ConfigT = TypeVar("ConfigT")
OutputT = TypeVar("OutputT")


@dataclass(frozen=True)
class Pass(Generic[InputsT, ConfigT, OutputT]):
    """A stage over units.

    Attributes:
        stage: what each unit runs.
        inputs: one for each unit.
        config: of the stage.
        label: names the pass where its stage runs more than once; None = the stage's name.
        names: what people call each unit, such as its photograph; empty = units are numbered.
    """

    stage: Stage[InputsT, ConfigT, OutputT]
    inputs: Sequence[InputsT]
    config: ConfigT
    label: str | None = None
    names: Sequence[str] = ()

    @property
    def name(self) -> str:
        """What progress and statistics call it."""
        return self.label or self.stage.name

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The content key of each unit."""
        return tuple(content_key(self.stage, unit, self.config) for unit in self.inputs)

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """The title of each unit by content key, for logs, errors and the dashboard: ``depth: A.jpg``."""
        names = self.names or [f"{place + 1} of {len(self.inputs)}" for place in range(len(self.inputs))]
        return {key: f"{self.name}: {name}" for key, name in zip(self.keys, names, strict=True)}

    @property
    def results(self) -> tuple[Ref[OutputT], ...]:
        """What the units are going to make, as inputs of a later pass: not bound for loading."""
        return tuple(Ref(key, self.stage.output) for key in self.keys)


@dataclass(frozen=True)
class PassUnits:
    """What is to be computed of a pass: units by content key, and the titles of those and perhaps others."""

    stage: Stage[Any, Any, Any]
    config: object
    units: Mapping[str, object]
    titles: Mapping[str, str]


class PassAnnouncer:
    """Announces passes one after another, in whatever order their units are computed.

    A pass begins when the one before has ended; units that were computed by then are counted at once.

    Args:
        passes: in order.
        known: cost of the units that were stored before.
        progress: told of every pass and unit.
        ended: told of every pass with its cost, and whether it was completed.
    """

    def __init__(
        self,
        passes: Sequence[Pass[Any, Any, Any]],
        known: Mapping[str, UnitStats],
        progress: Progress,
        ended: Callable[[Pass[Any, Any, Any], StageStats, bool], None],
    ) -> None:
        self._waiting = deque(passes)
        self._known = known
        self._computed: dict[str, UnitStats] = {}
        self._progress = progress
        self._ended = ended
        self._current: _Account | None = None
        self._go_on()

    def computed(self, key: str, stats: UnitStats) -> None:
        """Take in the cost of a unit that was just computed and stored."""
        self._computed[key] = stats
        if self._current is not None:
            self._current.computed(key, stats)
            self._go_on()

    def close(self) -> None:
        """End the pass that is under way, completed or not."""
        if self._current is not None:
            account, self._current = self._current, None
            self._ended(account.of, account.close(), not account.left)

    def _go_on(self) -> None:
        while self._current is None or not self._current.left:
            self.close()
            if not self._waiting:
                return
            self._current = _Account(self._waiting.popleft(), self._progress)
            for key in self._current.of.keys:
                if key in self._known:
                    self._current.reused(key, self._known[key])
                elif key in self._computed:
                    self._current.computed(key, self._computed[key])


class _Account:
    """Cost and progress of one pass; `left` counts the units of each key that are not there yet."""

    def __init__(self, of: Pass[Any, Any, Any], progress: Progress) -> None:
        self.of = of
        self.left = Counter(of.keys)
        self._progress = progress
        self._started_s = time.perf_counter()
        self._reused = 0
        self._cpu_s = 0.0
        self._peak_bytes = 0
        progress.stage_started(of.name, len(of.keys))

    def reused(self, key: str, stats: UnitStats) -> None:
        self._reused += self._take(key, stats, reused=True)

    def computed(self, key: str, stats: UnitStats) -> None:
        self._take(key, stats, reused=False)

    def _take(self, key: str, stats: UnitStats, reused: bool) -> int:
        copies = self.left.pop(key, 0)
        if copies:
            self._cpu_s += stats.cpu_s
            self._peak_bytes = max(self._peak_bytes, stats.peak_memory_bytes)
        for _ in range(copies):
            self._progress.unit_finished(self.of.name, stats, reused=reused)
        return copies

    def close(self) -> StageStats:
        stats = StageStats(
            stage=self.of.name,
            units=len(self.of.keys),
            reused_units=self._reused,
            elapsed_s=time.perf_counter() - self._started_s,
            cpu_s=self._cpu_s,
            peak_memory_bytes=self._peak_bytes,
        )
        self._progress.stage_finished(stats)
        return stats
