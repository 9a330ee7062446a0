"""A private Ray that does not start is started once more: Ray gives a busy machine 30 s and no longer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.command import ROOT, environment

CODE = """
import logging, sys, threading, time
import psutil
from e2e3d.errors import MachineError
from e2e3d.tasks.ray_environment import protect_private_ray
from e2e3d.tasks.ray_session import RaySession

protect_private_ray()
logging.basicConfig(level="WARNING", stream=sys.stdout, format="%(message)s")
own, left = psutil.Process(), int(sys.argv[1])

def kill_the_first():
    killed = set()
    while len(killed) < left:
        for child in own.children(recursive=True):
            if child.name() == "gcs_server" and child.pid not in killed:
                child.kill()
                killed.add(child.pid)
        time.sleep(0.005)

threading.Thread(target=kill_the_first, daemon=True).start()
try:
    session = RaySession(None)
    print("cores", session.cluster.started_here)
    session.close()
except MachineError as error:
    print(error.code, error)
deadline_s = time.monotonic() + 10
while own.children(recursive=True) and time.monotonic() < deadline_s:
    time.sleep(0.05)
print("left", len(own.children(recursive=True)))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("failures", "patience_s"), [(1, "10"), (2, "2")])
def test_a_start_that_fails_is_tried_once_more(failures: int, patience_s: str) -> None:
    """Its control process is killed as soon as it is there; nothing of the failed start remains."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(failures)],
        env=environment(RAY_gcs_server_port_wait_time_s=patience_s),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = done.stdout.splitlines()
    assert sum("it is started once more" in line for line in lines) == 1, done.stdout + done.stderr
    assert lines[-1] == "left 0", done.stdout
    if failures == 1:
        assert "cores True" in lines
    else:
        assert any(line.startswith("ray-failed") and "twice" in line for line in lines)
