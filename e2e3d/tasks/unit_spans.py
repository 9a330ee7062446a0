"""Spans of units: one from a unit's submission to its report, and in it what its worker spent computing.

They are made in the process that submits units, from what workers report: workers have no connection to a receiver of
traces, and one that is killed leaves a span all the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context

from e2e3d.runtime.tracing import is_tracing, tracer
from e2e3d.tasks.unit_queue import UnitAttempt
from e2e3d.tasks.worker import UnitReport


@dataclass
class _PassSpan:
    span: Span
    ended_ns: int


class UnitSpans:
    """Spans of the units of one fan-out, below one of each pass that lasts from its first unit to its last."""

    def __init__(self) -> None:
        self._passes: dict[str, _PassSpan] = {}
        self._units: dict[Any, Span] = {}

    def submitted(self, report: Any, attempt: UnitAttempt) -> None:
        """A unit was handed to Ray; `report` is the reference to its report."""
        if not is_tracing():
            return
        name, _, unit = attempt.title.partition(": ")
        if name not in self._passes:
            self._passes[name] = _PassSpan(tracer().start_span(name), time.time_ns())
        about: dict[str, str | int] = {"e2e3d.unit": attempt.call.key, "e2e3d.attempt": attempt.number}
        context = set_span_in_context(self._passes[name].span)
        self._units[report] = tracer().start_span(f"{name} {unit}", context, attributes=about)

    def reported(self, report: Any, attempt: UnitAttempt, ended: UnitReport | Exception) -> None:
        """A unit ended: it reported, or its process died."""
        span = self._units.pop(report, None)
        if span is None:
            return
        if isinstance(ended, UnitReport):
            _add_computing(span, ended)
        error = ended.error if isinstance(ended, UnitReport) else ended
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        span.end()
        self._passes[attempt.title.partition(": ")[0]].ended_ns = time.time_ns()

    def close(self) -> None:
        """End what is open: units that nobody waits for any more, and the passes."""
        for span in self._units.values():
            span.set_attribute("e2e3d.abandoned", True)
            span.end()
        for one in self._passes.values():
            one.span.end(one.ended_ns)
        self._units.clear()
        self._passes.clear()


def _add_computing(unit: Span, report: UnitReport) -> None:
    """The time between the two is what the unit waited for a slot and its result for the driver."""
    span = tracer().start_span("compute", set_span_in_context(unit), start_time=report.began_ns)
    span.set_attributes(_cost(report))
    span.end(report.ended_ns)


def _cost(report: UnitReport) -> Mapping[str, str | int | float]:
    stats = report.stats
    if stats is None:
        return {}
    return {
        "host.name": stats.host,
        "e2e3d.cpu_s": round(stats.cpu_s, 3),
        "e2e3d.peak_memory_bytes": stats.peak_memory_bytes,
    }
