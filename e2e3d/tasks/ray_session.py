"""A Ray cluster for one run: a lean private one on this machine, or a running one that is joined."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import ray
from ray.exceptions import RayError

from e2e3d.errors import MachineError
from e2e3d.runtime.private_folders import new_folder
from e2e3d.runtime.threads import core_count
from e2e3d.tasks.cluster_state import Cluster, ClusterWatch
from e2e3d.tasks.ray_environment import LOCAL_ENVIRONMENT

__all__ = ["RayError", "RaySession", "current_ray_job"]

log = logging.getLogger(__name__)

_OBJECT_STORE_LIMIT_BYTES = 1 << 30
_OBJECT_STORE_FLOOR_BYTES = 100 << 20
_KNOCK_S = 5.0
_HELPERS = ("/dashboard/dashboard.py", "/autoscaler/_private/monitor.py", "/_private/log_monitor.py")


class RaySession:
    """Connects this process to Ray; :meth:`close` disconnects, and ends a private cluster with all its processes.

    Args:
        address: of a running cluster (``auto``, ``host:port``), or None to start a private one on this machine.

    Attributes:
        owns_connection: False when this process was connected to Ray before; that connection is used, and left open.

    Raises:
        MachineError: ``cluster-unreachable`` or ``ray-failed``.
    """

    def __init__(self, address: str | None) -> None:
        self._folder: Path | None = None
        self.owns_connection = not ray.is_initialized()
        try:
            if self.owns_connection:
                if address is None:
                    self._start()
                else:
                    self._join(address)
            self._watch = ClusterWatch(started_here=self._folder is not None)
        except BaseException:  # Ctrl-C among them: nobody else knows what has been started
            self._abandon()
            raise

    @property
    def cluster(self) -> Cluster:
        """What the cluster offers now."""
        return self._watch.current

    def close(self) -> None:
        """Disconnect; a private cluster is stopped and its folder removed."""
        if self.owns_connection:
            ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _abandon(self) -> None:
        """Close what may be half started: Ray ends only processes that it has finished starting."""
        if self._folder is not None:
            _end_processes_of(self._folder)
        with contextlib.suppress(Exception):
            self.close()

    def _start(self) -> None:
        """Start a private cluster; once more when that fails, since Ray itself gives a busy machine 30 s only."""
        self._folder = new_folder()
        try:
            self._start_in(self._folder)
        except Exception as first:  # noqa: BLE001 -- Ray raises anything
            log.warning("Ray did not start (%s); it is started once more.", str(first).rstrip("."))
            self._abandon()
            self._folder = new_folder()
            try:
                self._start_in(self._folder)
            except Exception as error:
                raise MachineError(
                    "ray-failed",
                    f"Ray could not be started on this machine, twice: {str(error).rstrip('.')}.",
                    "If the machine is busy, end what else computes. Else check free memory and disk space, and that "
                    "processes may be started and loopback ports opened.",
                ) from error

    def _start_in(self, folder: Path) -> None:
        environment = LOCAL_ENVIRONMENT | {"RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "disabled")}
        memory = psutil.virtual_memory().available // 4
        with _environment(environment):
            ray.init(
                address="local",
                num_cpus=core_count(),
                object_store_memory=int(min(max(memory, _OBJECT_STORE_FLOOR_BYTES), _OBJECT_STORE_LIMIT_BYTES)),
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(folder),
            )
        _end_helpers()

    def _join(self, address: str) -> None:
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, OSError, ValueError, TimeoutError) as error:
            raise MachineError(
                "cluster-unreachable",
                f"No Ray cluster answers at {address}: {error}.",
                "Check --address or E2E3D_RAY_ADDRESS, and that the cluster runs the same version of Ray and Python.",
            ) from error


def _knock(address: str) -> None:
    """Raise OSError when nothing listens at ``host:port``; Ray itself would end the process after a minute."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


def _end_helpers() -> None:
    """End what Ray starts beside its core and one private machine does not need: dashboard, autoscaler, log tailing.

    Ray has no switch for them; together they take about 170 MB and a few CPU seconds. Failing to end one is no harm.
    """
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any(part.endswith(_HELPERS) for part in process.cmdline()[:4]):
                process.kill()


def _end_processes_of(folder: Path) -> None:
    """Kill the processes of a private cluster, which all name its folder, and those that they have started."""
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any(str(folder) in part for part in process.cmdline()):
                family = [process, *process.children(recursive=True)]
                for member in family:
                    with contextlib.suppress(psutil.Error):
                        member.kill()
                psutil.wait_procs(family, timeout=_KNOCK_S)


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    previous = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def current_ray_job() -> tuple[str, str] | None:
    """What Ray calls this driver's job, in hexadecimal, and the address of its cluster; None when not connected."""
    if not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    return str(context.get_job_id()), str(context.gcs_address)
