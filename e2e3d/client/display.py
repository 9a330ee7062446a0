"""Progress for people: a live bar on a terminal, a line now and then elsewhere. Always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from e2e3d.client.models import Event
from e2e3d.client.progress import TransferProgress

_LINE_EVERY_S = 10.0


class TransferDisplay(Protocol):
    """Shows a transfer."""

    def __call__(self, progress: TransferProgress) -> None:
        """Show how far it is."""
        ...


class JobDisplay(Protocol):
    """Shows what happens to a job."""

    def __call__(self, event: Event) -> None:
        """Show one event."""
        ...


@contextmanager
def transfer_display(verb: str, stream: TextIO | None = None) -> Iterator[TransferDisplay]:
    """A display of an upload or a download while the block runs; `verb` is such as ``uploading``."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield _TransferLines(verb, stream)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[files]}"),
    )
    with Progress(*columns, console=Console(file=stream), refresh_per_second=4, transient=True) as bar:
        task = bar.add_task(verb, total=None, files="")

        def show(progress: TransferProgress) -> None:
            files = f"{progress.files_done}/{progress.files_total} files"
            bar.update(task, completed=progress.bytes_done, total=progress.bytes_total, files=files)

        yield show


@contextmanager
def job_display(stream: TextIO | None = None) -> Iterator[JobDisplay]:
    """A display of a job while the block runs."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield _JobLines(stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    with Progress(*columns, console=Console(file=stream), refresh_per_second=4, transient=True) as bar:
        task = bar.add_task("waiting", total=1.0, detail="")

        def show(event: Event) -> None:
            if event.type == "job.progress":
                bar.update(
                    task, description=_stage(event), completed=event.data.get("progress") or 0.0, detail=_detail(event)
                )
            else:
                bar.update(task, description=_state(event), detail="")

        yield show


class _TransferLines:
    def __init__(self, verb: str, stream: TextIO) -> None:
        self._verb = verb
        self._stream = stream
        self._next_s = time.monotonic() + _LINE_EVERY_S

    def __call__(self, progress: TransferProgress) -> None:
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + _LINE_EVERY_S
        done, total = size(progress.bytes_done), size(progress.bytes_total)
        self._stream.write(f"{self._verb}: {progress.files_done} of {progress.files_total} files, {done} of {total}\n")
        self._stream.flush()


class _JobLines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._said = ""

    def __call__(self, event: Event) -> None:
        text = _stage(event) if event.type == "job.progress" else _state(event)
        if text != self._said:
            self._said = text
            self._stream.write(f"{text} {_detail(event)}".rstrip() + "\n")
            self._stream.flush()


def _state(event: Event) -> str:
    state = event.type.removeprefix("job.")
    judgement = event.data.get("judgement") or {}
    return f"{state}, doubtful" if judgement.get("verdict") == "doubtful" else state


def _stage(event: Event) -> str:
    return str(event.data.get("stage") or "running")


def _detail(event: Event) -> str:
    if event.type != "job.progress":
        return ""
    low_s, high_s = event.data.get("eta_low_s"), event.data.get("eta_high_s")
    units = f"{event.data.get('units_done', 0)}/{event.data.get('units_total', 0)}"
    return units if low_s is None or high_s is None else f"{units}, {time_range(low_s, high_s)} left"


def time_range(low_s: float, high_s: float) -> str:
    """Such as ``2 to 3 min``, in the unit that suits the longer one."""
    unit, name = (1, "s") if high_s < 100 else (60, "min") if high_s < 100 * 60 else (3600, "h")
    low, high = round(low_s / unit), max(1, round(high_s / unit))
    return f"{high} {name}" if low >= high or high == 1 else f"{low} to {high} {name}"


def size(count: float) -> str:
    """Bytes for people, such as ``3.2 MB``."""
    for name in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {name}" if name == "B" else f"{count:.1f} {name}"
        count /= 1000
    return f"{count:.1f} TB"
