"""The command line as its users run it: a process of its own, in an environment without leftovers."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
SMALL = ("features.max_size_px=640", "depth.max_size_px=320", "mesh.max_faces=20000", "texture.atlas_size_px=1024")
"""Settings with which the photographs of the session's sample set take less than a minute of one core."""


@dataclass(frozen=True)
class SampleRun:
    """A finished run of the sample set: its folder ``out``, the set's folder, and what the command printed."""

    sample: Path
    out: Path
    printed: str

    @property
    def photos(self) -> Path:
        return self.sample / "images"


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "e2e3d", *map(str, arguments)]


def environment(**changes: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "E2E3D_"))}
    return clean | {"COLUMNS": "200"} | changes


def e2e3d(*arguments: object, timeout_s: float = 120.0, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run ``e2e3d ARGUMENTS`` to its end, with `changes` to the environment."""
    return subprocess.run(
        command(*arguments), env=environment(**changes), cwd=ROOT, capture_output=True, text=True, timeout=timeout_s
    )


def run_arguments(photos: Path, out: Path, *more: object) -> tuple[object, ...]:
    """The arguments of a small run."""
    changes = [part for setting in SMALL for part in ("--set", setting)]
    return ("run", photos, "-o", out, "--quality", "preview", *changes, *more)


def wait_for(condition: Callable[[], object], timeout_s: float = 120.0) -> None:
    """Look ten times a second, since a look may cost as much as what is waited for gets done meanwhile."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come to this"
        time.sleep(0.1)


def process_tree(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The process and everything below it."""
    top = psutil.Process(process.pid)
    return [top, *top.children(recursive=True)]


def computes(process: psutil.Process) -> bool:
    """Whether it is a worker of Ray amid a unit: it bears the unit's name, while Ray's own begin with a capital."""
    with contextlib.suppress(psutil.Error):
        return re.match("ray::[a-z]", " ".join(process.cmdline())) is not None
    return False


def assert_all_end(processes: list[psutil.Process], within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    alive = processes
    while alive and time.monotonic() < deadline_s:
        alive = [process for process in alive if _runs(process)]
        time.sleep(0.05)
    assert not alive


def stored(out: Path, stage: str = "*") -> dict[str, Path]:
    """The results in the store of a result folder, by ``stage/digest``."""
    folder = out / ".e2e3d" / "store"
    return {f"{path.parents[1].name}/{path.stem}": path for path in folder.glob(f"{stage}/??/*.safetensors")}


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
