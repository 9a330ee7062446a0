"""The process between the command and Ray: ``python -m e2e3d.serve.node``.

It starts the private Ray of the service, or joins a cluster, and deploys the service. It leaves in order when its
standard input ends, since Ray takes the signals of its drivers for itself. When a part of the private Ray dies it ends
at once, and the command starts everything anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time

import psutil
import ray
from ray import serve

from e2e3d.config.deployment import ServiceSettings, load_service_settings
from e2e3d.errors import E2E3DError
from e2e3d.runtime.child_processes import die_with
from e2e3d.serve.deployment import deploy, leave_cluster
from e2e3d.serve.log_collector import collected_logs
from e2e3d.service.runner.runner_process import RunnerProcess
from e2e3d.tasks.ray_session import RaySession

RAY_DIED = 75
_WATCH_S = 0.5
_STOPPED_S = 10.0
_CORE = ("gcs_server", "raylet")


def main() -> int:
    """Run until standard input or Ray ends; returns the exit code."""
    die_with(int(sys.argv[1]))
    stopping = threading.Event()

    def wait_for_the_command() -> None:
        while os.read(0, 1024):
            pass
        stopping.set()

    threading.Thread(target=wait_for_the_command, name="command", daemon=True).start()
    settings = load_service_settings()
    with collected_logs() if settings.address is None else contextlib.nullcontext():
        return _run(settings, stopping)


def _run(settings: ServiceSettings, stopping: threading.Event) -> int:
    try:
        session = RaySession(settings.address)
    except E2E3DError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    core = _core_processes()
    deploy(settings)
    if not session.cluster.started_here:
        stopping.wait()
        with contextlib.suppress(Exception):
            leave_cluster()
        session.close()
        return 0
    runner = RunnerProcess(ray.get_runtime_context().gcs_address)
    lives_s = time.monotonic()
    while not stopping.wait(_WATCH_S):
        states = [_status(process) for process in core]
        if psutil.STATUS_STOPPED not in states:
            lives_s = time.monotonic()
        if psutil.STATUS_ZOMBIE in states or time.monotonic() - lives_s > _STOPPED_S:
            return RAY_DIED
        runner.watch()
    runner.stop()
    with contextlib.suppress(Exception):
        serve.shutdown()
    session.close()
    return 0


def _core_processes() -> list[psutil.Process]:
    return [process for process in psutil.Process().children() if process.name() in _CORE]


def _status(process: psutil.Process) -> str:
    """The state of a process, that of one which has gone being the same as of one that nobody has waited for."""
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_ZOMBIE)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # what is left is ended by the command, without the patience of Ray's own clean-up
