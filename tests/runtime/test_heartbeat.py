from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from e2e3d.runtime.heartbeat import HeartbeatMonitor
from tests.command import ROOT, environment, wait_for

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
START = "import sys, time; from e2e3d.runtime.heartbeat import send_heartbeats; print('ready', flush=True); "
Start = Callable[[str], tuple[psutil.Process, HeartbeatMonitor]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process that does what it is told, and watches over it."""
    started: list[tuple[subprocess.Popen[bytes], HeartbeatMonitor]] = []

    def launch(work: str) -> tuple[psutil.Process, HeartbeatMonitor]:
        reading, writing = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", START + work, str(writing)],
            stdout=subprocess.PIPE,
            pass_fds=[writing],
            env=environment(),
            cwd=ROOT,
        )
        os.close(writing)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        started.append((process, HeartbeatMonitor(process.pid, reading)))
        return psutil.Process(process.pid), started[-1][1]

    yield launch
    for process, pulse in started:
        process.kill()
        process.communicate()
        pulse.close()


def longest_silence_s(pulse: HeartbeatMonitor, seconds: float) -> float:
    longest_s, end_s = 0.0, time.monotonic() + seconds
    while time.monotonic() < end_s:
        longest_s = max(longest_s, pulse.silent_s())
        time.sleep(0.1)
    return longest_s


def test_a_process_that_was_stopped_is_silent_and_one_that_goes_on_is_not(start: Start) -> None:
    process, pulse = start("send_heartbeats(int(sys.argv[1])); time.sleep(60)")
    assert longest_silence_s(pulse, 2.5) < 2.0
    process.suspend()
    wait_for(lambda: pulse.silent_s() > 2.5, 10)
    process.resume()
    wait_for(lambda: pulse.silent_s() < 1.0, 10)


def test_a_process_that_computes_is_not_silent_and_one_that_hangs_is(start: Start) -> None:
    _, computing = start("any(iter(lambda: 0, 1))")
    _, hanging = start("time.sleep(60)")
    assert longest_silence_s(computing, 3.0) < 2.0
    wait_for(lambda: hanging.silent_s() > 2.5, 10)


def test_silence_does_not_count_while_nobody_listened(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the whole machine was asleep."""
    monkeypatch.setattr("e2e3d.runtime.heartbeat._GAP_S", 1.0)
    process, pulse = start("send_heartbeats(int(sys.argv[1])); time.sleep(60)")
    process.suspend()
    pulse.silent_s()
    time.sleep(1.5)
    assert pulse.silent_s() == 0.0
