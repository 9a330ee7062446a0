"""A driver process as its runner sees it: started, asked to stop, and gone with all its Ray workers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from e2e3d.runtime.child_processes import cluster_answers, end, is_stopped, workers_of
from e2e3d.runtime.heartbeat import HeartbeatMonitor
from e2e3d.service.jobs.lifecycle import JobTransition
from e2e3d.service.jobs.records import Fence

RAY_JOB_FILE = "ray-job"
"""In the folder of an attempt: the id under which Ray knows its tasks, and the address of the cluster."""

INTERRUPTED = 75
"""Exit code of a driver whose Ray cluster or database stays away."""

_PATIENCE_S = 2.5
_WORKERS_S = 1.0
_KEPT = ("RAY_AUTH_", "RAY_TMPDIR")
_RAYS_OWN = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")


class DriverProcess:
    """The process of one attempt.

    Args:
        fence: what it may write to.
        folder: its working files; removed with it.
        address: of the Ray cluster; None lets it start a private one.

    Attributes:
        stop_reason: why it was asked to stop, None while it was not.
    """

    def __init__(self, fence: Fence, folder: Path, address: str | None) -> None:
        self.fence = fence
        self.stop_reason: JobTransition | None = None
        self._folder = folder
        self._address = address
        self._kill_at_s = 0.0
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        reading, writing = os.pipe()
        arguments = (fence.job_id, fence.owner, fence.attempt, os.getpid(), folder, writing)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "e2e3d.service.runner.driver", *map(str, arguments)],
                env=driver_environment(address),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=[writing],
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._heartbeats = HeartbeatMonitor(self._process.pid, reading)

    def stop(self, why: JobTransition) -> None:
        """Ask the driver to stop; it is killed when it does not."""
        if self.stop_reason is None:
            self.stop_reason = why
            self._kill_at_s = time.monotonic() + _PATIENCE_S
            self._signal(signal.SIGINT)

    def kill_if_silent(self, patience_s: float) -> bool:
        """Kill a driver that gave no sign of life for `patience_s`; whether it was.

        A process that somebody has stopped is interrupted; one that hangs has failed.
        """
        if self.stop_reason is not None or self._heartbeats.silent_s() < patience_s:
            return False
        self.stop_reason = JobTransition.INTERRUPTED if is_stopped(self._process.pid) else JobTransition.CRASHED
        self._signal(signal.SIGKILL)
        return True

    def classify_exit(self) -> JobTransition:
        """How the job goes on after its driver ended; a driver that ended the job itself has given its lease back."""
        if self.stop_reason is not None:
            return self.stop_reason
        lost = self._process.returncode == INTERRUPTED or (self._address and not cluster_answers(self._address))
        return JobTransition.INTERRUPTED if lost else JobTransition.CRASHED

    def exit_code(self) -> int | None:
        """None while the driver runs; afterwards its exit code, negative for a signal."""
        if self.stop_reason is not None and time.monotonic() > self._kill_at_s:
            self._signal(signal.SIGKILL)
        return self._process.poll()

    def clean_up(self) -> None:
        """Wait until what worked for the driver has gone, and remove its files. Ray ends its workers by itself."""
        self._heartbeats.close()
        with contextlib.suppress(OSError):
            job_id, _, gcs_address = (self._folder / RAY_JOB_FILE).read_text().partition(" ")
            end(workers_of(job_id, gcs_address), _WORKERS_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def driver_environment(address: str | None) -> dict[str, str]:
    """The environment of a driver: that of this process, without what Ray tells its own workers."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name not in _RAYS_OWN and (not name.startswith("RAY_") or name.startswith(_KEPT))
    }
    return own if address is None else own | {"E2E3D_RAY_ADDRESS": address}
