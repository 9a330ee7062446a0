"""A real run that is stopped and killed wherever it hurts ends as an undisturbed one; a Ray that runs already."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from e2e3d.outputs.manifest import read_manifest
from tests.command import (
    SampleRun,
    assert_all_end,
    command,
    computes,
    e2e3d,
    environment,
    process_tree,
    run_arguments,
    stored,
    wait_for,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only"),
]

Processes = list[psutil.Process]
RESUMABLE, CANCELLED = 5, 130


def chain(processes: Processes) -> Processes:
    """The command, its guard, and the driver."""
    guard = processes[0].children()[0]
    return [processes[0], guard, guard.children()[0]]


def kill_command(processes: Processes) -> None:
    processes[0].kill()


def kill_guard(processes: Processes) -> None:
    chain(processes)[1].kill()


def kill_driver(processes: Processes) -> None:
    chain(processes)[2].kill()


def interrupt(processes: Processes) -> None:
    processes[0].send_signal(signal.SIGINT)


@contextlib.contextmanager
def started(photos: Path, out: Path) -> Iterator[subprocess.Popen[str]]:
    run = subprocess.Popen(
        command(*run_arguments(photos, out)),
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield run
    finally:
        if run.poll() is None:
            run.kill()
        run.communicate()


def disturb(
    photos: Path, out: Path, stage: str, disturbance: Callable[[Processes], None], exit_code: int, within_s: float
) -> None:
    """Start the run, disturb it as soon as a result of `stage` is stored, and see that it ends, with all it started."""
    with started(photos, out) as run:
        wait_for(lambda: stored(out, stage) or run.poll() is not None, 400)
        assert run.poll() is None, run.communicate()[1]
        processes = process_tree(run)
        begin_s = time.monotonic()
        disturbance(processes)
        run.wait(30)
        elapsed_s = time.monotonic() - begin_s
        assert_all_end(processes, 5.0)
        assert run.returncode == exit_code, run.communicate()[1]
        assert elapsed_s < within_s
    assert not (out / "manifest.json").exists()


@pytest.mark.operations
def test_a_run_killed_again_and_again_gives_the_same_result(sample_run: SampleRun, tmp_path: Path) -> None:
    photos, out = sample_run.photos, tmp_path / "out"
    disturb(photos, out, "features", kill_driver, RESUMABLE, 10.0)
    disturb(photos, out, "depth", interrupt, CANCELLED, 5.0)
    disturb(photos, out, "consistency", kill_guard, RESUMABLE, 10.0)
    disturb(photos, out, "fusion", kill_command, -signal.SIGKILL, 10.0)
    disturb(photos, out, "texture", kill_driver, RESUMABLE, 10.0)
    finished = stored(out)
    times = {key: path.stat().st_mtime_ns for key, path in finished.items()}
    done = e2e3d(*run_arguments(photos, out), timeout_s=400)
    assert done.returncode == 0, done.stderr
    assert sum(stage.reused_units for stage in read_manifest(out).stages) == len(finished)
    assert {key: path.stat().st_mtime_ns for key, path in stored(out).items() if key in times} == times
    assert_same_result(sample_run.out, out)


def test_a_worker_killed_in_the_middle_of_a_unit_is_replaced(sample_run: SampleRun, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(sample_run.out, out)
    for stage in ("consistency", "fusion", "merge", "fusion-merge", "mesh", "texture"):
        shutil.rmtree(out / ".e2e3d" / "store" / stage, ignore_errors=True)
    with started(sample_run.photos, out) as run:
        wait_for(lambda: stored(out, "consistency") or run.poll() is not None, 400)
        working = [process for process in process_tree(run) if computes(process)]
        assert working
        working[0].kill()
        _, errors = run.communicate(timeout=400)
    assert run.returncode == 0, errors
    assert "attempt 2 follows" in (out / ".e2e3d" / "run.log").read_text()
    assert_same_result(sample_run.out, out)


def test_a_running_cluster_is_joined_and_left_as_it_was(sample_run: SampleRun, tmp_path: Path, cluster: str) -> None:
    """By its address, and by the variable that ``ray job submit`` sets."""
    out = tmp_path / "out"
    shutil.copytree(sample_run.out, out)
    for size, options, variables in ((512, ("--address", cluster), {}), (768, (), {"RAY_ADDRESS": cluster})):
        changes = ("--set", f"texture.atlas_size_px={size}")
        done = e2e3d(
            *run_arguments(sample_run.photos, out, *changes, *options),
            timeout_s=300,
            RAY_AUTH_MODE="disabled",
            **variables,
        )
        assert done.returncode == 0, done.stderr
        anew = {stage.stage: stage.units - stage.reused_units for stage in read_manifest(out).stages}
        assert [stage for stage, units in anew.items() if units] == ["texture", "export"]
        assert answers(int(cluster.rpartition(":")[2]))


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def assert_same_result(first: Path, second: Path) -> None:
    assert stored(first).keys() == stored(second).keys()
    names = [file.path for file in read_manifest(first).outputs if file.path != "report.html"]
    assert [name for name in names if (first / name).read_bytes() != (second / name).read_bytes()] == []
