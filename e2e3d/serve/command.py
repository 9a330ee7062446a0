"""``e2e3d serve``: everything that the service needs, started in order, watched over, and ended without a trace.

This process imports neither Ray nor the web framework. It prepares the database, starts the node process, which runs
Ray and the service, and starts it anew with a fresh Ray whenever it or its Ray dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import FrameType

import psutil

from e2e3d import errors
from e2e3d.errors import MachineError, SettingsError
from e2e3d.serve.permissions import correct_permissions, keep_files_private
from e2e3d.settings import ServiceSettings, load_service_settings
from e2e3d.supervise import adopt_orphans
from e2e3d.tasks.environment import LOCAL_ENVIRONMENT, SERVICE_ENVIRONMENT

STOP_S = 10.0
_POLL_S = 0.5
_FIRST_ANSWER_S = 240.0
_SILENCE_S = 90.0
_PAUSES_S = (0.0, 1.0, 5.0, 15.0, 30.0)
_STEADY_S = 120.0


class Stopped(BaseException):
    """A signal asked the service to stop."""


def serve(changes: dict[str, object]) -> int:
    """Run the service until it is told to stop; returns the exit code.

    Args:
        changes: settings of the command line, which win over the environment.

    Raises:
        SettingsError: ``environment``, ``port-in-use``, ``database-url`` …
        MachineError: ``database-away``, ``service-failed`` …
    """
    os.environ.update({f"E2E3D_{name.upper()}": str(value) for name, value in changes.items()})
    keep_files_private()
    settings = load_service_settings()
    for line in correct_permissions(settings):
        sys.stderr.write(f"{line}\n")
    _require_free_port(settings)
    adopt_orphans()
    _prepare()
    _prepare_environment(settings)

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    node: subprocess.Popen[bytes] | None = None
    failures = 0
    try:
        while True:
            node = _start_node()
            started_s = time.monotonic()
            why = _watch(settings, node)
            _end(node, 0.0)
            failures = 1 if time.monotonic() - started_s > _STEADY_S else failures + 1
            if failures > len(_PAUSES_S):
                raise MachineError("service-failed", f"The service does not stay up: {why}.", "Read the log above.")
            sys.stderr.write(f"{why}; the service starts again.\n")
            time.sleep(_PAUSES_S[failures - 1])
    except Stopped as stopped:
        sys.stderr.write(f"E2E3D stops: {signal.Signals(stopped.args[0]).name}. Running jobs go back to the queue.\n")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if node is not None:
            assert node.stdin is not None
            node.stdin.close()
            _end(node, STOP_S)
        return 0


def _require_free_port(settings: ServiceSettings) -> None:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SettingsError(
                "port-in-use",
                f"{settings.host}:{settings.port} cannot be listened on: {error.strerror}.",
                "Stop what uses it, or choose another address with --host and --port (E2E3D_HOST, E2E3D_PORT).",
            ) from error


def _prepare() -> None:
    """Migrate the database and make the first administrator, in a process that takes what it imports with it."""
    done = subprocess.run(
        [sys.executable, "-m", "e2e3d.serve.prepare"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        raise MachineError("service-failed", "The database could not be prepared.", "Read the lines above.")
    answer = json.loads(done.stdout)
    if answer["error"] is not None:
        kind, *content = answer["error"]
        raise getattr(errors, kind)(*content)
    if answer["admin"] is not None:
        email, password = answer["admin"]
        sys.stdout.write(f"The first administrator is {email} with the password {password} (shown only now).\n")
        sys.stdout.flush()


def _prepare_environment(settings: ServiceSettings) -> None:
    """What Ray and its workers shall find; a private Ray answers only those who know a fresh token."""
    for name, value in SERVICE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if settings.address is not None:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        return
    for name, value in LOCAL_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _start_node() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "e2e3d.serve.node", str(os.getpid())], stdin=subprocess.PIPE)


def _watch(settings: ServiceSettings, node: subprocess.Popen[bytes]) -> str:
    """Wait until the service has failed; returns how."""
    answered_s = time.monotonic() + _FIRST_ANSWER_S - _SILENCE_S
    ready, asked_s = False, 0.0
    while True:
        code = node.poll()
        if code is not None:
            return f"The node process ended with code {code}"
        period_s = 5.0 if ready else _POLL_S
        if time.monotonic() - asked_s >= period_s:
            asked_s = time.monotonic()
            if _answers(settings):
                answered_s = max(answered_s, time.monotonic())
                if not ready:
                    sys.stdout.write(f"E2E3D is ready: {settings.url}\n")
                    sys.stdout.flush()
                ready = True
            elif time.monotonic() - answered_s > _SILENCE_S:
                return f"The service was silent for {_SILENCE_S:.0f} s"
        time.sleep(_POLL_S)


def _answers(settings: ServiceSettings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    try:
        with urllib.request.urlopen(f"http://{host}:{settings.port}/livez", timeout=5.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end(node: subprocess.Popen[bytes], patience_s: float) -> None:
    """End the node with everything below it, and what it left behind, which this process has adopted."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        node.wait(patience_s)
    while alive := psutil.Process().children(recursive=True):
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=1.0)
    node.wait()
