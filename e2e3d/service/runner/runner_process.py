"""The runner and maintenance of the service, in a replica of Ray Serve or in a process of its own.

On one machine it is a process of its own, ``python -m e2e3d.service.runner.runner_process PARENT ADDRESS PIPE``:
workers of Ray wake a hundred times a second, and the runner needs only the address of Ray. It ends in order when its
standard input ends, and is started again when it dies or gives no sign of life through the pipe.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time

from e2e3d.config.deployment import load_service_settings
from e2e3d.runtime.child_processes import die_with
from e2e3d.runtime.heartbeat import HeartbeatMonitor, send_heartbeats
from e2e3d.service.administration.log_level import start_log
from e2e3d.service.database import Database
from e2e3d.service.file_permissions import keep_files_private
from e2e3d.service.metrics.runner_metrics import RunnerMetrics
from e2e3d.service.runner.maintenance import MaintenanceThreads
from e2e3d.service.runner.runner import Runner

STOP_S = 8.0
_PAUSE_S = 2.0
_SILENT_S = 30.0
_LOG = logging.getLogger("e2e3d.serve")


class RunnerThreads:
    """Computes jobs and does maintenance until it is stopped.

    Args:
        address: of the Ray cluster that jobs are computed on.
    """

    def __init__(self, address: str) -> None:
        keep_files_private()
        settings = load_service_settings()
        database = Database(settings.database, pool_size=4)
        start_log(settings, database, "runner")
        metrics = RunnerMetrics(settings.runner_jobs)
        self._maintenance = MaintenanceThreads(settings, database, metrics)
        self._runner = Runner(settings, database, address, metrics)
        if settings.runner_metrics_port is not None and settings.metrics_token is not None:
            metrics.serve(settings.host, settings.runner_metrics_port, settings.metrics_token)
        self._thread = threading.Thread(target=self._runner.run, name="runner")
        self._thread.start()
        self._maintenance.start()

    @property
    def alive(self) -> bool:
        """Whether the runner's loop goes on."""
        return self._thread.is_alive()

    def stop(self) -> bool:
        """Give the running jobs back to the queue; returns whether everything has ended in time."""
        self._maintenance.stop()
        self._runner.stop()
        self._thread.join(STOP_S)
        return not self._thread.is_alive()


class RunnerProcess:
    """The runner as the node of a private Ray sees it.

    Args:
        address: of the Ray cluster.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._start()

    def watch(self) -> None:
        """Start the runner again when it has died, not too often, and kill it when it gives no sign of life."""
        if self._process.poll() is not None:
            if time.monotonic() - self._started_s > _PAUSE_S:
                self._heartbeats.close()
                self._start()
        elif self._heartbeats.silent_s() > _SILENT_S:
            _LOG.error("the runner gave no sign of life for %.0f s and is killed", _SILENT_S)
            self._process.kill()

    def stop(self) -> None:
        """Have the running jobs given back to the queue, and wait for it."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S + 1.0)

    def _start(self) -> None:
        reading, writing = os.pipe()
        command = [
            sys.executable,
            "-m",
            "e2e3d.service.runner.runner_process",
            str(os.getpid()),
            self._address,
            str(writing),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[writing])
        os.close(writing)
        self._heartbeats = HeartbeatMonitor(self._process.pid, reading)
        self._started_s = time.monotonic()


def main(arguments: list[str]) -> int:
    """Run until standard input ends; returns the exit code."""
    parent, address, pipe = arguments
    die_with(int(parent))
    send_heartbeats(int(pipe))
    stopping = threading.Event()

    def wait_for_the_node() -> None:
        while os.read(0, 1024):
            pass
        stopping.set()

    threading.Thread(target=wait_for_the_node, name="node", daemon=True).start()
    threads = RunnerThreads(address)
    while not stopping.wait(2.0):
        if not threads.alive:
            _LOG.error("the runner's loop has ended")
            return 1
    return 0 if threads.stop() else 1


if __name__ == "__main__":
    code = main(sys.argv[1:])
    logging.shutdown()
    os._exit(code)
