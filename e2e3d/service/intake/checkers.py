"""Has photographs looked at by processes that may die of them; see :mod:`e2e3d.service.intake.check_process`."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from typing import Any

from e2e3d.errors import InputError, MachineError
from e2e3d.service.image_sets.records import Finding, PhotoFacts
from e2e3d.service.intake.turns import FairSlots

MEMORY_BYTES = 2 << 30
"""That looking at one photograph may take, its own bytes included."""

CPU_S = 30
IDLE_S = 120.0
_WALL_S = 180.0
_ATTEMPTS = 3
_BLOCK_BYTES = 1 << 20
_FAULTS = (signal.SIGXCPU, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)


class PhotoCheckers:
    """A few processes that are shared by the threads of this one; each starts when it is needed, and ends when idle.

    Args:
        count: of processes. With two or more, one user's photographs never occupy all of them.
        wall_s: time after which a process that gives no answer is ended.
    """

    def __init__(self, count: int, wall_s: float = _WALL_S) -> None:
        self._turns = FairSlots(count)
        self._wall_s = wall_s
        self._lock = threading.Lock()
        self._idle: list[subprocess.Popen[bytes]] = []

    def check(self, user_id: str, name: str, data: bytes, sha256: str) -> PhotoFacts:
        """Look at a photograph of this user; one that its decoder dies of has a fatal finding that says so.

        Raises:
            MachineError: ``photo-check`` when the processes cannot be started.
        """
        answer, number = self._answer(user_id, {"name": name, "sha256": sha256}, data)
        if answer is None:
            return PhotoFacts(sha256, len(data), "", findings=(_death(number),))
        return _facts(answer)

    def thumbnail(self, user_id: str, data: bytes) -> bytes:
        """A photograph of this user as a small JPEG, see :mod:`e2e3d.service.intake.thumbnails`.

        Raises:
            InputError: ``photo-unreadable`` when it does not decode.
            MachineError: as :meth:`check`.
        """
        answer, number = self._answer(user_id, {"thumbnail": True}, data)
        problem = _death(number).message if answer is None else answer.get("problem")
        if answer is None or problem is not None:
            raise InputError("photo-unreadable", f"There is no thumbnail: {problem}", "Look at the photograph itself.")
        return base64.b64decode(answer["jpeg"])

    def close(self) -> None:
        """End the processes that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            _end(process)

    def _answer(self, user_id: str, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any] | None, int]:
        """What a process says; nothing and the signal when it was ended over this photograph."""
        with self._turns.one(user_id):
            for _ in range(_ATTEMPTS):
                answer, code = self._asked(request, data)
                if answer is not None:
                    return answer, 0
                if -code in _FAULTS:
                    break
        if code < 0:
            return None, -code
        raise MachineError(
            "photo-check", "The process that looks at photographs does not start.", "See the service's log."
        )

    def _asked(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any] | None, int]:
        """What a process says; when it ended before, nothing and its exit status."""
        process = self._process()
        deadline = threading.Timer(self._wall_s, process.send_signal, [signal.SIGXCPU])
        deadline.daemon = True
        deadline.start()
        line = b""
        try:
            line = _exchange(process, request | {"bytes": len(data)}, data)
        finally:
            deadline.cancel()
            if not line.endswith(b"\n"):
                code = _end(process)
        if not line.endswith(b"\n"):
            return None, code
        with self._lock:
            self._idle.append(process)
        return dict(json.loads(line)), 0

    def _process(self) -> subprocess.Popen[bytes]:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.poll() is None:
                    return process
                _end(process)
        command = [sys.executable, "-m", "e2e3d.service.intake.check_process"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@functools.cache
def shared_checkers() -> PhotoCheckers:
    """The checkers of this process: what limits them is the machine, not who asks."""
    cores = os.cpu_count() or 1
    return PhotoCheckers(max(2, min(4, cores // 4)))


def _exchange(process: subprocess.Popen[bytes], request: dict[str, Any], data: bytes) -> bytes:
    """The line that answers; without its end when the process dies before."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(request).encode() + b"\n")
        for start in range(0, len(data), _BLOCK_BYTES):
            process.stdin.write(data[start : start + _BLOCK_BYTES])
        process.stdin.flush()
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        ready.select()
    return process.stdout.readline()


def _end(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process that is ending, or kill it; returns its exit status."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.kill()
    code = process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()
    return code


def _facts(answer: dict[str, Any]) -> PhotoFacts:
    return PhotoFacts(**{**answer, "findings": tuple(Finding(**finding) for finding in answer["findings"])})


def _death(number: int) -> Finding:
    """What is wrong with a photograph that a process was ended over, by this signal."""
    if number in (signal.SIGXCPU, signal.SIGKILL):
        message = f"Decoding the picture takes more than {CPU_S} s, or too much memory. Send it as a plain JPEG."
        return Finding("photo-too-large", message, True)
    message = "The picture cannot be decoded (its decoder crashed). Open it in an editor, and save it again."
    return Finding("photo-unreadable", message, True)
