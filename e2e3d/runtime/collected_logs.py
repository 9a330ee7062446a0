"""Reads what the collector of logs has kept: a file of JSON lines a day, compressed while it is written."""

from __future__ import annotations

import datetime
import gzip
import json
import sys
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from e2e3d.errors import MachineError, SettingsError

LEVELS = ("debug", "info", "warning", "error", "critical")
_IDS = ("job", "request", "unit", "run", "user_id")


def collected_lines(
    folder: Path, wanted: str | None = None, level: str = "debug", since: datetime.date | None = None
) -> Iterator[dict[str, Any]]:
    """The lines of all processes, oldest day first, as the collector received them.

    Args:
        folder: of the collector.
        wanted: only lines with this id of a job, request, unit, run or user.
        level: lowest that is read; a line without one counts as ``info``.
        since: first day; None = all that are kept.

    Raises:
        MachineError: ``no-logs`` when the folder has none.
    """
    files = sorted(folder.glob("e2e3d-????-??-??.jsonl.gz"))
    if not files:
        raise MachineError(
            "no-logs",
            f"There are no collected logs in {folder}.",
            "Run this where the collector is (cluster/rsyslog), and name its folder with --folder or E2E3D_LOG_FOLDER.",
        )
    least = LEVELS.index(level)
    for path in files:
        if since is None or path.name[6:16] >= since.isoformat():
            for line in _lines_of(path):
                if wanted is None or wanted in line:
                    record = _record(line)
                    if _rank(record) >= least and (wanted is None or wanted in map(record.get, _IDS)):
                        yield record


def print_logs(folder: Path, wanted: str | None, level: str, since: str | None, last: int | None, as_json: bool) -> int:
    """Print :func:`collected_lines` for ``e2e3d admin logs``; returns 0.

    Raises:
        SettingsError: ``bad-option``: no such level or day.
        MachineError: as :func:`collected_lines`.
    """
    if level not in LEVELS:
        raise SettingsError("bad-option", f"There is no level {level!r}.", f"Levels are {', '.join(LEVELS)}.")
    try:
        day = None if since is None else datetime.date.fromisoformat(since)
    except ValueError:
        raise SettingsError("bad-option", f"{since!r} is no day.", "Write it as 2026-11-28.") from None
    found: Iterable[dict[str, Any]] = collected_lines(folder, wanted, level, day)
    for record in found if last is None else deque(found, maxlen=last):
        sys.stdout.write((json.dumps(record, ensure_ascii=False) if as_json else as_text(record)) + "\n")
    return 0


def as_text(record: dict[str, Any]) -> str:
    """A line for people: moment, level, process, what it belongs to, and the message."""
    ids = " ".join(f"{name}={record[name]}" for name in ("job", "request", "unit") if name in record)
    who = record.get("process") or record.get("program") or "-"
    moment = str(record.get("time", ""))[:23]
    text = f"{moment:<23} {record.get('level', 'info'):<7} {who:<8} {record.get('message', '')}"
    return "\n".join(part for part in (f"{text}  [{ids}]" if ids else text, str(record.get("exception", ""))) if part)


def _lines_of(path: Path) -> Iterator[str]:
    """Whole lines; a file that is being written, or was cut off, ends where it ends."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
            yield from file
    except (EOFError, zlib.error):
        return
    except OSError as error:
        raise MachineError("read-failed", f"{path} cannot be read: {error}.", "Run it as who owns the logs.") from error


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {"message": line.rstrip()}
    return record if isinstance(record, dict) else {"message": line.rstrip()}


def _rank(record: dict[str, Any]) -> int:
    level = str(record.get("level", "info")).lower()
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("info")
