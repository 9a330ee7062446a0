"""Ctrl-C while a private Ray starts leaves no process behind in a process that lives on, such as a notebook's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.command import ROOT, environment

CODE = """
import os, signal, sys, threading, time
import psutil
from e2e3d.tasks.ray_environment import protect_private_ray
from e2e3d.tasks.ray_session import RaySession

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
protect_private_ray()
own = psutil.Process()

def interrupt_when_there():
    while not any(sys.argv[1] in child.name() for child in own.children(recursive=True)):
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt_when_there, daemon=True).start()
try:
    RaySession(None)
    time.sleep(60)
except KeyboardInterrupt:
    deadline_s = time.monotonic() + 10
    while own.children(recursive=True) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    print(*(child.name() for child in own.children(recursive=True)), "ended")
"""


@pytest.mark.slow
@pytest.mark.parametrize("process", ["gcs_server", "raylet"])
def test_nothing_is_left_of_a_start_that_is_interrupted(process: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, process], env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["ended"], done.stderr
