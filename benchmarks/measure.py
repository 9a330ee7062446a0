"""Run a command and measure its whole process tree: CPU seconds, wall seconds, peak memory (PSS, shared pages once)."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_PERIOD_S = 0.25


@dataclass(frozen=True)
class Cost:
    """What a command cost, all processes it started included."""

    exit_code: int
    cpu_s: float
    wall_s: float
    peak_pss_bytes: int


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run `command` to its end, with `environment` added; processes are sampled four times a second, memory once."""
    started = time.monotonic()
    root = psutil.Process(subprocess.Popen(command, env={**os.environ, **(environment or {})}).pid)
    known: dict[psutil.Process, float] = {root: 0.0}
    peak_bytes = 0
    ticks = 0
    while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
        for process in list(known):
            _sample(process, known)
        if ticks % 4 == 0:
            peak_bytes = max(peak_bytes, sum(_pss_bytes(process.pid) for process in known))
        ticks += 1
        time.sleep(_PERIOD_S)
    exit_code = root.wait()
    return Cost(exit_code or 0, sum(known.values()), time.monotonic() - started, peak_bytes)


def _sample(process: psutil.Process, known: dict[psutil.Process, float]) -> None:
    try:
        times = process.cpu_times()
        known[process] = max(known[process], times.user + times.system)
        for child in process.children():
            known.setdefault(child, 0.0)
    except psutil.Error:
        pass  # it has ended; its last reading stands


def _pss_bytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has ended
    return 0
