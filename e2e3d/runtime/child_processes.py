"""The processes of a job: its driver, and the Ray workers that compute for it on this machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable

import psutil

_PR_SET_PDEATHSIG = 1
_CONNECT_S = 2.0


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the one that started it, `parent`, ends. Linux only; nothing elsewhere."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def workers_of(ray_job_id: str, gcs_address: str) -> list[psutil.Process]:
    """The worker processes on this machine that Ray started for a driver.

    Args:
        ray_job_id: under which Ray knows the driver, in hexadecimal; every cluster counts from one.
        gcs_address: of the driver's cluster, as its raylets were told it.
    """
    wanted = f"RAY_JOB_ID={ray_job_id}".encode()
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().startswith("ray::") and wanted in _environment(process.pid):
                raylet = process.parent()
                if raylet is not None and f"--gcs-address={gcs_address}" in raylet.cmdline():
                    found.append(process)
    return found


def cluster_answers(gcs_address: str) -> bool:
    """Whether a Ray cluster is there for drivers on this machine: its GCS listens, and it has a raylet here."""
    host, _, port = gcs_address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except OSError:
        return False
    return any(_is_raylet(process, gcs_address) for process in psutil.process_iter())


def _is_raylet(process: psutil.Process, gcs_address: str) -> bool:
    with contextlib.suppress(psutil.Error):
        if process.name() == "raylet" and f"--gcs-address={gcs_address}" in process.cmdline():
            return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def is_stopped(pid: int) -> bool:
    """Whether somebody has stopped a process, as SIGSTOP does."""
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return False


def end(processes: Iterable[psutil.Process], patience_s: float) -> list[psutil.Process]:
    """Wait for processes to end, and kill those that have not after `patience_s`; returns those that remain."""
    _, alive = psutil.wait_procs(list(processes), timeout=patience_s)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(alive, timeout=2.0)
    return list(alive)


def runner_name() -> str:
    """Name of this process that no other has: host, process namespace, process id and start."""
    return f"{_here()}{os.getpid()}:{time.time_ns() // 1_000_000:x}"


def is_dead(owner: str) -> bool:
    """Whether a runner, known by its name, was a process of this machine that has ended."""
    if not owner.startswith(_here()):
        return False
    pid = owner[len(_here()) :].partition(":")[0]
    return pid.isdigit() and not psutil.pid_exists(int(pid))


def _here() -> str:
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return f"{os.uname().nodename[:60]}:{namespace}:"


def _environment(pid: int) -> list[bytes]:
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read().split(b"\0")
