"""Signs of life of a child process, over a pipe: a process that is stopped or hangs is seen by the one that started it.

The child writes a byte every second from a thread. Python that holds its lock in a long native call writes none but
computes, so processor time counts as a sign as well. No clock is compared between processes, and no disk is written.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

import psutil

_PERIOD_S = 1.0
_COMPUTING = 0.05  # of a core; the threads of an idle Ray driver take a hundredth
_GAP_S = 5.0


def send_heartbeats(descriptor: int) -> None:
    """Give signs of life from now on, on the writing end of a pipe."""
    os.set_blocking(descriptor, False)

    def work() -> None:
        while True:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(descriptor, b".")
            time.sleep(_PERIOD_S)

    threading.Thread(target=work, name="heartbeat", daemon=True).start()


class HeartbeatMonitor:
    """What the parent sees of a child.

    Args:
        pid: of the child.
        descriptor: the reading end of the pipe.
    """

    def __init__(self, pid: int, descriptor: int) -> None:
        self._pid = pid
        self._descriptor = descriptor
        self._looked_s = self._sign_s = time.monotonic()
        self._cpu_s = 0.0
        os.set_blocking(descriptor, False)

    def silent_s(self) -> float:
        """Seconds since the last sign of life; to be asked often: while nobody asks, all may have been stopped."""
        now_s, cpu_s = time.monotonic(), self._computed_s()
        lost = now_s - self._looked_s > _GAP_S
        self._looked_s = now_s
        if lost or self._read() or cpu_s - self._cpu_s > max(_COMPUTING * (now_s - self._sign_s), _COMPUTING):
            self._sign_s, self._cpu_s = now_s, cpu_s
        return now_s - self._sign_s

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._descriptor)

    def _read(self) -> bool:
        try:
            return bool(os.read(self._descriptor, 65536))
        except BlockingIOError:
            return False

    def _computed_s(self) -> float:
        try:
            times = psutil.Process(self._pid).cpu_times()
        except psutil.Error:
            return self._cpu_s
        return float(times.user + times.system)
