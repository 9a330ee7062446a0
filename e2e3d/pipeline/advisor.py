"""Asks a helper process whether settings are valid and what a job will cost; see :mod:`e2e3d.pipeline.advice`.

The helper starts with the first question and ends when it has not been asked for a while, so that an idle service does
not hold its memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from e2e3d import errors
from e2e3d.errors import MachineError

_IDLE_S = 120.0
_START_S = 60.0


class Advisor:
    """A helper process that is shared by the threads of this one."""

    def __init__(self, idle_s: float = _IDLE_S) -> None:
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None
        self._asked_s = 0.0
        self._timer: threading.Timer | None = None

    def forecast(
        self,
        quality: str,
        settings: Mapping[str, Any],
        photos: int,
        megapixels: float,
        history: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Check settings, and forecast what a job costs.

        Args:
            quality: a preset.
            settings: changes to it by dotted name.
            photos: how many.
            megapixels: of each.
            history: stage, photos, megapixels, quality and seconds of passes of earlier jobs, oldest first.

        Returns:
            ``seconds_low``, ``seconds_high``, ``memory_bytes``, ``disk_bytes``.

        Raises:
            SettingsError: ``unknown-quality``, ``unknown-setting`` with the nearest known name, ``bad-setting``.
            MachineError: ``advisor-failed``.
        """
        question = {
            "quality": quality,
            "settings": dict(settings),
            "photos": photos,
            "megapixels": megapixels,
            "history": [dict(time) for time in history],
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        }
        with self._lock:
            answer = self._asked(json.dumps(question).encode() + b"\n")
        if "error" in answer:
            kind, *content = answer["error"]
            raise getattr(errors, kind)(*content)
        if "forecast" not in answer:
            raise _failed(str(answer.get("mistake")))
        return dict(answer["forecast"])

    def close(self) -> None:
        """End the helper."""
        with self._lock:
            self._end()

    def _asked(self, question: bytes) -> dict[str, Any]:
        self._asked_s = time.monotonic()
        try:
            helper = self._started()
            assert helper.stdin is not None
            helper.stdin.write(question)
            helper.stdin.flush()
            return dict(json.loads(_line(helper)))
        except (OSError, ValueError) as error:
            self._end()
            raise _failed(str(error)) from error

    def _started(self) -> subprocess.Popen[bytes]:
        if self._helper is None or self._helper.poll() is not None:
            command = [sys.executable, "-m", "e2e3d.pipeline.advice"]
            self._helper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._watch(self._idle_s)
        return self._helper

    def _watch(self, delay_s: float) -> None:
        self._timer = threading.Timer(delay_s, self._end_if_idle)
        self._timer.daemon = True
        self._timer.start()

    def _end_if_idle(self) -> None:
        with self._lock:
            left_s = self._asked_s + self._idle_s - time.monotonic()
            if left_s <= 0:
                self._end()
            elif self._helper is not None:
                self._watch(left_s)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.kill()
            helper.wait()
            for pipe in (helper.stdin, helper.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()


def _line(helper: subprocess.Popen[bytes]) -> bytes:
    """The answer. Raises OSError when there is none in time."""
    assert helper.stdout is not None
    with selectors.DefaultSelector() as ready:
        ready.register(helper.stdout, selectors.EVENT_READ)
        if not ready.select(_START_S):
            raise TimeoutError(f"no answer within {_START_S:.0f} s")
    line = helper.stdout.readline()
    if not line:
        raise BrokenPipeError("the helper process ended")
    return line


def _failed(why: str) -> MachineError:
    return MachineError(
        "advisor-failed",
        f"The settings could not be checked: {why}.",
        "Try again; look at the service's log if it stays.",
    )
