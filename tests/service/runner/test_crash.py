"""What happens to a whole run, with all its processes, when somebody stops or kills it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.command import ROOT, assert_all_end, environment, process_tree, wait_for
from tests.pipeline.toy_stages import computed

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[subprocess.Popen[str]] = []

    def launch(stage: str, units: int, seconds: float, **variables: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.tasks.toy_run", stage, str(tmp_path), str(units), str(seconds)]
        runs.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(**variables),
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return runs[-1]

    yield launch
    for run in runs:
        if run.poll() is None:
            run.kill()
            run.wait()


def stored_units(folder: Path) -> int:
    return len(list((folder / ".e2e3d" / "store" / "toy-sleep").rglob("*.safetensors")))


def chain_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """The command, its guard, and the driver."""
    guard = processes[0].children()[0]
    return [processes[0], guard, guard.children()[0]]


def test_what_is_stopped_and_killed_again_and_again_is_resumed_by_the_same_command(
    start: Start, tmp_path: Path
) -> None:
    """One folder, so that each way to end it is tried on what the others have left."""
    units = 30
    run = start("SLEEP", units, 0.5)
    require_in_use(start, tmp_path)
    wait_for(lambda: len(computed(tmp_path)) >= 2)
    processes = process_tree(run)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=5.0)
    assert run.returncode == 130
    assert "cancelled" in errors
    assert "Traceback" not in errors
    assert_all_end(processes, 0.5)
    assert len(set(computed(tmp_path))) < units

    for victim, code in ((0, -signal.SIGKILL), (2, 5)):
        before, kept = computed(tmp_path), stored_units(tmp_path)
        run = start("SLEEP", units, 0.5)
        wait_for(lambda before=before: len(computed(tmp_path)) >= len(before) + 3)
        processes = process_tree(run)
        chain_of(processes)[victim].kill()
        run.wait(10)
        assert run.returncode == code
        assert_all_end(processes, 5.0)
        require_nothing_twice(tmp_path, before, kept)
        assert kept + 2 <= stored_units(tmp_path) < units

    before, kept = computed(tmp_path), stored_units(tmp_path)
    run, begun = start("SLEEP", units, 0.5), set(tmp_path.glob("pid*"))
    wait_for(lambda: set(tmp_path.glob("pid*")) - begun)
    os.kill(int((set(tmp_path.glob("pid*")) - begun).pop().name[3:]), signal.SIGKILL)  # a worker amid a unit
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    assert len(computed(tmp_path)) - len(before) == units - kept
    assert len(set(computed(tmp_path))) == units


def require_in_use(start: Start, folder: Path) -> None:
    """See that a second run into a folder says who has it."""
    lock = folder / ".e2e3d" / "lock"
    wait_for(lambda: lock.exists() and lock.read_text())
    second = start("SLEEP", 30, 0.7)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 5
    assert "[output-in-use]" in errors
    assert "Another run (process" in errors


def require_nothing_twice(folder: Path, before: list[str], kept: int) -> None:
    """See that of what was computed before only units were computed again whose results had not been stored."""
    again = set(computed(folder)[len(before) :]) & set(before)
    assert len(again) <= len(set(before)) - kept


def test_a_stop_amid_units_that_are_just_finishing_is_a_plain_stop(start: Start, tmp_path: Path) -> None:
    run = start("SLEEP", 10_000, 0.001)
    wait_for(lambda: len(computed(tmp_path)) >= 50)
    processes = process_tree(run)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=5.0)
    assert run.returncode == 130, errors
    assert "StackTrace" not in errors
    assert_all_end(processes, 0.5)


def test_a_stop_ends_what_runs_on_a_cluster_and_leaves_the_cluster(start: Start, tmp_path: Path, cluster: str) -> None:
    variables = {"RAY_AUTH_MODE": "disabled", "RAY_ADDRESS": cluster}
    run = start("NATIVE", 4, 0.0, **variables)
    wait_for(lambda: len(computed(tmp_path)) >= 2)
    working = [psutil.Process(int(path.name[3:])) for path in tmp_path.glob("pid*")]
    assert len(working) == 2
    run.send_signal(signal.SIGINT)
    assert run.wait(5.0) == 130
    assert_all_end(working, 2.0)
    assert start("SLEEP", 2, 0.01, **variables).wait(60) == 0


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.operations), signal.SIGTERM])
def test_a_long_native_call_in_a_worker_is_stopped(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    run = start("NATIVE", 1, 0.0)
    wait_for(lambda: computed(tmp_path))
    time.sleep(1.0)
    processes = process_tree(run)
    run.send_signal(number)
    assert run.wait(5.0) == 130
    assert_all_end(processes, 0.5)


def test_a_long_native_call_in_the_driver_is_stopped(start: Start, tmp_path: Path) -> None:
    run = start("SLEEP", 1, 0.0)
    wait_for(lambda: (tmp_path / "pid0").exists())
    time.sleep(1.0)
    processes = process_tree(run)
    run.send_signal(signal.SIGINT)
    assert run.wait(5.0) == 130
    assert_all_end(processes, 0.5)


@pytest.mark.operations
@pytest.mark.parametrize("victims", [pytest.param((1,), id="guard"), pytest.param((0, 2), id="by name")])
def test_kill_9_ends_everything_and_the_same_command_resumes(
    start: Start, tmp_path: Path, victims: tuple[int, ...]
) -> None:
    run = start("SLEEP", 10, 0.7)
    wait_for(lambda: len(computed(tmp_path)) >= 3)
    processes = process_tree(run)
    chain = chain_of(processes)
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):  # of two victims, the guard may end the second before us
            chain[victim].kill()
    run.wait(10)
    assert run.returncode == (-signal.SIGKILL if 0 in victims else 5)
    assert_all_end(processes, 5.0)
    stored = stored_units(tmp_path)
    before = len(computed(tmp_path))
    assert stored >= 2
    assert start("SLEEP", 10, 0.7).wait(60) == 0
    assert len(computed(tmp_path)) - before == 10 - stored
