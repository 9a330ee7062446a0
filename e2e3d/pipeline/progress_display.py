"""Progress for people: one live bar on a terminal, one line per stage elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Protocol, TextIO

from e2e3d.pipeline.progress import ProgressReport

log = logging.getLogger(__name__)


class Display(Protocol):
    """Shows reports until it is closed."""

    def __call__(self, report: ProgressReport) -> None:
        """Show one report."""
        ...

    def close(self) -> None:
        """Leave the terminal in order."""
        ...


def open_display(stream: TextIO | None = None) -> Display:
    """A live bar where `stream` (default: standard error) is a terminal, plain lines otherwise."""
    stream = stream or sys.stderr
    return TerminalDisplay(stream) if stream.isatty() else LineDisplay(stream)


class LineDisplay:
    """One line when a stage ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, report: ProgressReport) -> None:
        """See :class:`Display`."""
        if report.kind == "finished":
            self._stream.write(f"{stage_line(report)}\n")
            self._stream.flush()

    def close(self) -> None:
        """See :class:`Display`."""


class TerminalDisplay:
    """A live bar for the running stage; finished stages scroll up as lines."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[eta]}"),
            console=Console(file=stream),
            refresh_per_second=4,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=1, eta="")
        self._bar.start()

    def __call__(self, report: ProgressReport) -> None:
        """See :class:`Display`."""
        if report.kind == "started":
            self._bar.reset(self._task, description=report.stage, total=max(report.total, 1), eta=eta_text(report))
        elif report.kind == "unit":
            self._bar.update(self._task, completed=report.done, eta=eta_text(report))
        else:
            self._bar.console.print(stage_line(report), highlight=False)

    def close(self) -> None:
        """See :class:`Display`."""
        self._bar.stop()


class CallbackDisplay:
    """Hands every report to a function of the caller."""

    def __init__(self, callback: Callable[[ProgressReport], None] | None) -> None:
        self._callback = callback

    def __call__(self, report: ProgressReport) -> None:
        """See :class:`Display`."""
        if self._callback is not None:
            self._callback(report)

    def close(self) -> None:
        """See :class:`Display`."""


def stage_line(report: ProgressReport) -> str:
    """A finished stage in one line: units, how many were reused, time, CPU seconds, memory, what remains."""
    stats = report.stats
    if stats is None:
        return f"{report.stage} {report.done}/{report.total}"
    reused = f", {stats.reused_units} reused" if stats.reused_units else ""
    cost = f"{duration(stats.elapsed_s):>8}  {stats.cpu_s:8.1f} CPU s  {stats.peak_memory_bytes / 2**20:6.0f} MB"
    return f"{report.stage:<18} {f'{report.done}/{report.total}{reused}':<20} {cost}  {eta_text(report)}".rstrip()


def eta_text(report: ProgressReport) -> str:
    """What remains, as a range, in words; empty while unknown."""
    if report.eta_s is None or report.eta_s[1] < 1.0:
        return ""
    low, high = (duration(seconds) for seconds in report.eta_s)
    return f"{low} left" if low == high else f"{low} to {high} left"


def duration(seconds: float) -> str:
    """Seconds as ``42 s``, ``3 min 5 s`` or ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
