"""``e2e3d serve``: everything that the service needs, started in order, watched over, and ended without a trace.

This process imports neither Ray nor the web framework. It prepares the database, starts the front, which holds the
public port throughout, and the node process, which runs Ray and the service; it starts the node anew with a fresh Ray
whenever it or its Ray dies.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from types import FrameType

import psutil

from e2e3d import errors
from e2e3d.config.deployment import ServiceSettings, load_service_settings
from e2e3d.errors import MachineError, SettingsError
from e2e3d.runtime.supervision import adopt_orphans
from e2e3d.serve.front.configuration import FRONT_HEADER, Front
from e2e3d.serve.front.haproxy_process import FrontProcess, haproxy_binary
from e2e3d.serve.ray_version import ray_is_tested
from e2e3d.service.file_permissions import correct_permissions, keep_files_private
from e2e3d.service.http.bounded_uploads import UNBOUNDED_BODY_BYTES
from e2e3d.tasks.ray_environment import LOCAL_ENVIRONMENT, SERVICE_ENVIRONMENT

STOP_S = 10.0
_POLL_S = 0.5
_PERIOD_S = 5.0
_ANSWER_S = 5.0
_FIRST_ANSWER_S = 240.0
SILENCE_S = 90.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_INTERNAL_PORTS = range(20000, 30000)
_PAUSES_S = (0.0, 1.0, 5.0, 15.0, 30.0)
_STEADY_S = 120.0


class Stopped(BaseException):
    """A signal asked the service to stop."""


def serve(changes: dict[str, object]) -> int:
    """Run the service until a signal stops it; returns the exit code.

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
    prepare_service()
    _prepare_environment(settings)

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    node: subprocess.Popen[bytes] | None = None
    front: FrontProcess | None = None
    failures = 0
    try:
        settings, front = start_front(settings)
        while True:
            node = _start_node()
            started_s = time.monotonic()
            why = watch(settings, node, front)
            _end(node, 0.0, front)
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
            _end(node, STOP_S, front)
        return 0
    finally:
        if front is not None:
            front.stop()


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


def prepare_service() -> None:
    """Migrate the database and make the first administrator, in a process that takes what it imports with it."""
    done = subprocess.run(
        [sys.executable, "-m", "e2e3d.serve.preparation"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        raise MachineError("service-failed", "The database could not be prepared.", "Read the lines above.")
    answer = json.loads(done.stdout)
    if answer["error"] is not None:
        kind, *content = answer["error"]
        raise getattr(errors, kind)(*content)
    if answer["admin"] is not None:
        sys.stdout.write(first_words(**answer["admin"]))
        sys.stdout.flush()


def first_words(email: str, password: str, link: str) -> str:
    """What the operator of a new service is told."""
    return (
        f"To sign in the first time, open {link}\n"
        "It works once, within a day, as soon as the service is up.\n"
        f"The first administrator is {email} with the password {password} (shown only now).\n"
    )


def _prepare_environment(settings: ServiceSettings) -> None:
    """What Ray and its workers shall find; a private Ray answers only those who know a fresh token."""
    bypass_proxies_on_loopback()
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


def bypass_proxies_on_loopback() -> None:
    """What the processes of the service say to each other, and to servers on this machine, goes through no proxy."""
    for name in ("NO_PROXY", "no_proxy"):
        given = os.environ.get(name) or os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        os.environ[name] = ",".join(filter(None, [given, *_LOOPBACK]))


def _start_node() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "e2e3d.serve.node", str(os.getpid())], stdin=subprocess.PIPE)


def start_front(settings: ServiceSettings) -> tuple[ServiceSettings, FrontProcess | None]:
    """Start what strangers reach, and have everything that is started from now on know it; none on a shared cluster.

    Returns:
        the settings with what only this process knew, and the front.
    """
    binary = haproxy_binary() if settings.address is None else None
    if binary is None:
        return settings, None
    port, token = _internal_port(), secrets.token_hex(16)
    os.environ.update({"E2E3D_INTERNAL_PORT": str(port), "E2E3D_FRONT_TOKEN": token})
    front = Front(
        settings.host,
        settings.port,
        port,
        token,
        settings.address_connections,
        settings.trusted_proxies,
        body_bytes=None if ray_is_tested() else UNBOUNDED_BODY_BYTES,
    )
    changed = settings.model_copy(update={"internal_port": port, "front_token": token})
    return changed, FrontProcess(front, binary)


def _internal_port() -> int:
    """A free port on the loopback, below those that systems give to outgoing connections."""
    while True:
        port = secrets.choice(_INTERNAL_PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def watch(settings: ServiceSettings, node: subprocess.Popen[bytes], front: FrontProcess | None) -> str:
    """Wait until the service has failed; returns how.

    It has failed when it was silent for a while: it said neither that it lives, nor answered anybody else's request
    well. A service that works for others is busy, and would lose their work if it were started again.
    """
    heard_s = time.monotonic() + _FIRST_ANSWER_S - SILENCE_S
    ready, asked_s, answered = False, 0.0, 0
    while True:
        code = node.poll()
        if code is not None:
            return f"The node process ended with code {code}"
        if front is not None:
            front.watch()
        if time.monotonic() - asked_s >= (_PERIOD_S if ready else _POLL_S):
            asked_s = time.monotonic()
            if is_alive(settings):
                heard_s = max(heard_s, time.monotonic())
                if not ready:
                    sys.stdout.write(f"E2E3D is ready: {settings.url}\n")
                    sys.stdout.flush()
                ready = True
            elif front is not None and front.answered() != answered:
                heard_s = max(heard_s, time.monotonic())
            elif time.monotonic() - heard_s > SILENCE_S:
                return f"The service was silent for {SILENCE_S:.0f} s"
            answered = answered if front is None else front.answered()
        time.sleep(_POLL_S)


def is_alive(settings: ServiceSettings) -> bool:
    """Whether the service says that it lives; asked around the front, and never through a proxy of the environment."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    headers = {}
    if settings.internal_port is not None:
        host, headers = "127.0.0.1", {FRONT_HEADER: f"{settings.front_token} 127.0.0.1"}
    connection = http.client.HTTPConnection(host, settings.internal_port or settings.port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/livez", headers=headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(node: subprocess.Popen[bytes], patience_s: float, front: FrontProcess | None) -> None:
    """End the node with everything below it, and what it left behind, which this process has adopted; not the front."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        node.wait(patience_s)
    spared = None if front is None else front.pid
    while alive := [child for child in psutil.Process().children(recursive=True) if child.pid != spared]:
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=1.0)
    node.wait()
