from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from e2e3d.service.runner import runner_process as runner
from e2e3d.service.runner.runner_process import RunnerProcess
from tests.servers import free_port

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")]


@pytest.fixture
def process(
    tmp_path: Path, _migrated: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunnerProcess]:
    """The runner of a service without a cluster."""
    shutil.copyfile(_migrated("sqlite").removeprefix("sqlite:///"), tmp_path / "e2e3d.sqlite")
    monkeypatch.setenv("E2E3D_HOME", str(tmp_path))
    started = RunnerProcess(f"127.0.0.1:{free_port()}")
    yield started
    started.stop()


def runners() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.ZombieProcess):
            if "e2e3d.service.runner.runner_process" in " ".join(child.cmdline()):
                found.append(child)
    return found


def test_a_runner_that_is_stopped_is_replaced(process: RunnerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_SILENT_S", 3.0)
    (first,) = runners()
    first.suspend()
    deadline_s = time.monotonic() + 30
    while runners() in ([], [first]):
        assert time.monotonic() < deadline_s
        process.watch()
        time.sleep(0.5)
    assert not first.is_running()
