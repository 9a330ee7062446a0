"""Units of several passes under way at once, on a cluster that grows and shrinks meanwhile."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray

from e2e3d.pipeline.base_executor import UnitDone
from e2e3d.pipeline.passes import PassUnits
from e2e3d.tasks.attempts import next_attempt
from e2e3d.tasks.cluster_state import Cluster
from e2e3d.tasks.placement import Placement
from e2e3d.tasks.ray_units import RayUnits
from e2e3d.tasks.unit_queue import UnitAttempt, UnitQueue
from e2e3d.tasks.unit_spans import UnitSpans
from e2e3d.tasks.worker import UnitReport

_POLL_S = 0.25
_SUBMITTED_A_SLOT = 2
_STRAGGLER_FACTOR = 4.0
_STRAGGLER_FLOOR_S = 10.0
_STRAGGLER_SAMPLES = 5


@dataclass
class _Running:
    """A unit that was handed to Ray; `copied` once a second copy of it was."""

    attempt: UnitAttempt
    output: Any
    placement: Placement
    since_s: float
    copied: bool = False


class FanOut:
    """Submits units as slots come free, earlier passes first; follows the cluster; issues stragglers again.

    Args:
        work: the units of each pass.
        units: submits and collects one.
        done: receives every unit whose result is stored.
        check: called in every round; raises to end it.
    """

    def __init__(self, work: Sequence[PassUnits], units: RayUnits, done: UnitDone, check: Callable[[], None]) -> None:
        self._work = work
        self._units = units
        self._done = done
        self._check = check
        self._queue = UnitQueue(work)
        self._running: dict[Any, _Running] = {}
        self._outrun: dict[Any, Placement] = {}
        self._under_way = [0] * len(work)
        self._times_s: list[list[float]] = [[] for _ in work]
        self._cluster: Cluster | None = None
        self._placements: list[Placement] = []
        self._spans = UnitSpans()

    def run(self) -> None:
        """Compute all units; on an error, some may still run: see :meth:`reports`."""
        try:
            while self._queue or self._running:
                self._check()
                self._follow()
                self._submit_units()
                if not self._queue:
                    self._copy_stragglers()
                self._take_in()
        finally:
            self._spans.close()

    def reports(self) -> list[tuple[Placement, list[Any]]]:
        """What is still under way, by placement."""
        found: dict[int, tuple[Placement, list[Any]]] = {}
        for report, unit in self._running.items():
            found.setdefault(id(unit.placement), (unit.placement, []))[1].append(report)
        return list(found.values())

    def _follow(self) -> None:
        """Plan with the machines that there are now; what was meant for a machine that left is placed again."""
        cluster = self._units.cluster(self._check)
        if cluster == self._cluster:
            return
        self._cluster = cluster
        self._placements = [self._units.placement(part.stage) for part in self._work]
        for report, unit in self._running.items():
            unit.placement.give_back(report, cluster)

    def _submit_units(self) -> None:
        if self._queue and self._units.others_wait(busy=bool(self._running)):
            self._pause()
            return
        while self._queue and self._has_room(self._queue.rank):
            self._submit(self._queue.pop())

    def _pause(self) -> None:
        """Submit nothing for a moment; what is under way ends meanwhile."""
        if not self._running and not self._outrun:
            time.sleep(_POLL_S)

    def _has_room(self, rank: int) -> bool:
        """Whether a unit of the pass of this `rank` may be submitted beside those that are under way.

        As many wait in Ray as run: no slot is idle between two units, an autoscaler sees a need for as much again, and
        another job that comes waits behind no more than these.

        Units of earlier passes must all have a slot, not only be submitted: Ray goes on with tasks of the shape that a
        slot had last, and would leave those of another shape waiting to the end.
        """
        if len(self._running) >= _SUBMITTED_A_SLOT * self._placements[rank].slots:
            return False
        earlier = sum(self._under_way[:rank])
        return all(earlier < self._placements[one].slots for one in range(rank) if self._under_way[one])

    def _submit(self, attempt: UnitAttempt, elsewhere: bool = False) -> None:
        placement = self._placements[attempt.rank]
        output, report = self._units.submit(self._work[attempt.rank].stage, attempt, placement, elsewhere)
        self._running[report] = _Running(attempt, output, placement, time.monotonic(), copied=elsewhere)
        self._under_way[attempt.rank] += 1
        self._spans.submitted(report, attempt)

    def _copy_stragglers(self) -> None:
        """Start a second copy of units that take far longer than their pass did, while slots are idle.

        The first of two ends the unit. The other is left alone until it ends: results are written once, and Ray may
        abort a driver that cancels a task which is just finishing.
        """
        now_s = time.monotonic()
        for unit in list(self._running.values()):
            times_s = self._times_s[unit.attempt.rank]
            idle = len(self._running) + len(self._outrun) < self._placements[unit.attempt.rank].slots
            if not idle or unit.copied or len(times_s) < _STRAGGLER_SAMPLES:
                continue
            limit_s = max(_STRAGGLER_FACTOR * statistics.median(times_s), _STRAGGLER_FLOOR_S)
            if now_s - unit.since_s > limit_s:
                unit.copied = True
                self._submit(unit.attempt, elsewhere=True)

    def _take_in(self) -> None:
        """Wait for a report, and take in all that are there."""
        waiting = [*self._running, *self._outrun]
        if not waiting:
            return
        ready, _ = ray.wait(waiting, num_returns=1, timeout=_POLL_S)
        if ready and len(waiting) > 1:
            ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        for report in ready:
            if report in self._outrun:
                self._outrun.pop(report).finished(report)
            elif report in self._running:
                self._take(report)

    def _take(self, report: Any) -> None:
        unit = self._running.pop(report)
        self._under_way[unit.attempt.rank] -= 1
        ended = self._units.collect(unit.attempt, unit.output, report)
        self._spans.reported(report, unit.attempt, ended)
        if isinstance(ended, UnitReport):
            stats = ended.cost()
            unit.placement.finished(report)
            self._times_s[unit.attempt.rank].append(stats.wall_s)
            self._outrun_copies(unit.attempt.call.key)
            self._done(unit.attempt.call.key, stats)
            self._queue.stored(unit.attempt.call.key)
            return
        innocent = unit.placement.finished(report, died=True)
        if not any(other.attempt.call.key == unit.attempt.call.key for other in self._running.values()):
            self._queue.add(next_attempt(unit.attempt, ended, innocent))

    def _outrun_copies(self, key: str) -> None:
        for report in [
            report for report, unit in self._running.items() if unit.copied and unit.attempt.call.key == key
        ]:
            unit = self._running.pop(report)
            self._under_way[unit.attempt.rank] -= 1
            self._outrun[report] = unit.placement
