"""Progress of a run: what executors announce, and how the remaining time is estimated from it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from e2e3d.data.stats import StageStats, UnitStats
from e2e3d.pipeline.history import History


class Progress(Protocol):
    """What an executor announces; calls come from the thread that called `map`."""

    def stage_started(self, label: str, units: int) -> None:
        """A pass begins."""
        ...

    def unit_finished(self, label: str, stats: UnitStats, reused: bool) -> None:
        """One unit is stored (or was found stored, when `reused`)."""
        ...

    def stage_finished(self, stats: StageStats) -> None:
        """A pass ended, whether completed or not."""
        ...


LAST_PASS = "export"
"""Nothing is left to do when it has ended."""


class NoProgress:
    """Announces nothing."""

    def stage_started(self, label: str, units: int) -> None:
        """See :class:`Progress`."""

    def unit_finished(self, label: str, stats: UnitStats, reused: bool) -> None:
        """See :class:`Progress`."""

    def stage_finished(self, stats: StageStats) -> None:
        """See :class:`Progress`."""


@dataclass(frozen=True)
class ProgressReport:
    """State of the run after an event.

    Attributes:
        kind: ``started``, ``unit`` or ``finished``.
        stage: label of the running pass; `done` of its `total` units are finished, `reused` of them without computing.
        fraction: of the whole run, in [0, 1]; 1 when :data:`LAST_PASS` has ended, None while nothing is known about
            the passes to come.
        eta_s: lower and upper estimate of the remaining seconds; None while unknown, as long as everything was found
            stored: nobody knows yet how much of the rest is.
        elapsed_s: since the run started.
        stats: cost of the pass, when it just finished.
    """

    kind: str
    stage: str
    done: int
    total: int
    reused: int
    fraction: float | None
    eta_s: tuple[float, float] | None
    elapsed_s: float
    stats: StageStats | None = None


@dataclass
class _Running:
    label: str
    total: int
    started_s: float
    done: int = 0
    reused: int = 0
    gaps_s: list[float] = field(default_factory=list)
    last_s: float = 0.0


class ProgressModel:
    """Follows a run and estimates what remains, from the unit times of this run and the stage times of earlier ones.

    Args:
        listener: called with a report after every event.
        history: times of earlier runs; times of this run are added to it.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        listener: Callable[[ProgressReport], None],
        history: History,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = listener
        self._history = history
        self._clock = clock
        self._started_s = clock()
        self._finished: set[str] = set()
        self._reused = self._computed = 0
        self._running: _Running | None = None

    def stage_started(self, label: str, units: int) -> None:
        """See :class:`Progress`."""
        now_s = self._clock()
        self._history.grow(label, units)
        self._running = _Running(label, units, now_s, last_s=now_s)
        self._announce("started")

    def unit_finished(self, label: str, stats: UnitStats, reused: bool) -> None:
        """See :class:`Progress`."""
        running = self._running
        if running is None or running.label != label:
            return
        now_s = self._clock()
        running.done += 1
        if reused:
            self._reused += 1
            running.reused += 1
        else:
            self._computed += 1
            running.gaps_s.append(now_s - running.last_s)
        running.last_s = now_s
        self._announce("unit")

    def stage_finished(self, stats: StageStats) -> None:
        """See :class:`Progress`."""
        computed = stats.units - stats.reused_units
        complete = self._running is not None and self._running.done == stats.units
        if complete:
            self._finished.add(stats.stage)
        if complete and computed and computed == stats.units:
            self._history.add(stats.stage, stats.elapsed_s)
        self._announce("finished", stats)

    def _announce(self, kind: str, stats: StageStats | None = None) -> None:
        running = self._running
        if running is None:
            return
        elapsed_s = self._clock() - self._started_s
        eta_s = self._eta_s(running)
        fraction = None
        if eta_s is not None:
            remaining_s = math.sqrt(max(eta_s[0], 1e-3) * max(eta_s[1], 1e-3))
            fraction = 1.0 if LAST_PASS in self._finished else elapsed_s / max(elapsed_s + remaining_s, 1e-9)
        self._listener(
            ProgressReport(
                kind, running.label, running.done, running.total, running.reused, fraction, eta_s, elapsed_s, stats
            )
        )

    def _eta_s(self, running: _Running) -> tuple[float, float] | None:
        """Remaining seconds of the running pass and of the known ones after it, as a range."""
        if LAST_PASS in self._finished:
            return 0.0, 0.0
        current = self._remaining_of(running)
        if current is None or (self._reused and not self._computed):
            return None
        ahead = [
            seconds
            for label, seconds in self._history.expected().items()
            if label not in self._finished and label != running.label
        ]
        return current[0] + sum(low for low, _ in ahead), current[1] + sum(high for _, high in ahead)

    def _remaining_of(self, running: _Running) -> tuple[float, float] | None:
        left = running.total - running.done
        if left == 0 or running.label in self._finished:
            return 0.0, 0.0
        if running.gaps_s:
            return _extrapolate(running.gaps_s, left)
        expected_s = self._history.expected().get(running.label)
        if expected_s is None:
            return None
        spent_s = self._clock() - running.started_s
        low, high = (max(s * left / running.total - spent_s, 0.1 * s) for s in expected_s)
        return low, high


def _extrapolate(gaps_s: list[float], left: int) -> tuple[float, float]:
    """Remaining seconds from the times between finished units: mean, and its standard error, doubled, as the range."""
    count = len(gaps_s)
    mean_s = sum(gaps_s) / count
    spread_s = math.sqrt(sum((gap - mean_s) ** 2 for gap in gaps_s) / count) if count > 1 else 0.5 * mean_s
    error = min(0.8, max(0.1, 2.0 * spread_s / max(mean_s, 1e-9) / math.sqrt(count)))
    return left * mean_s * (1.0 - error), left * mean_s * (1.0 + error)
