"""Processes that watch over a run: they guarantee that a stopped or crashed run ends at once, with all it started.

Python runs signal handlers only between bytecodes, so a driver inside a long native call cannot answer Ctrl-C itself.
The command line is therefore three processes of one program: the one that the user sees, which forwards signals; a
guard; and the driver, which does the work. The guard waits a few seconds for an orderly end after a signal, and then
kills everything below it. When one of the three is killed, the kernel tells the next one, and the one above adopts and
ends what was left behind, which a private Ray alone would do only after a minute.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

_LINGER_S = 2.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_STOP = frozenset({signal.SIGINT, signal.SIGTERM})
_ORPHANED = signal.SIGHUP
_SIGNALS = _STOP | {signal.SIGCHLD, _ORPHANED}

CANCELLED = 130
KILLED = 5


def supervised(work: Callable[[], int], patience_s: float) -> int:
    """Run `work` in a grandchild and return its exit code: 130 after SIGINT or SIGTERM, 5 when it was killed.

    Returns in every one of the three processes; each hands the code to ``sys.exit``. Where there is no Linux, `work`
    runs in this process. Work that has not ended `patience_s` after a signal is killed.
    """
    if not sys.platform.startswith("linux"):
        return work()
    sys.stdout.flush()
    sys.stderr.flush()
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    guard = _fork(_ORPHANED)
    if guard:
        status = _forward_signals(guard)
        if os.WIFSIGNALED(status):
            _end_descendants(0.0)
        return _exit_code(status, stopped=False)
    # A session of its own: what is aimed at the user's process group reaches the first process only.
    os.setsid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    driver = _fork(signal.SIGKILL)
    if driver:
        _rename("e2e3d-guard")
        return _guard(driver, patience_s)
    signal.pthread_sigmask(signal.SIG_SETMASK, previous)
    return work()


def adopt_orphans() -> None:
    """Become the parent of what processes below this one leave behind, so that it can be found and ended."""
    if sys.platform.startswith("linux"):
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _forward_signals(guard: int) -> int:
    """Wait for the guard; returns its wait status."""
    while True:
        caught = signal.sigtimedwait(_SIGNALS, 1.0)
        if caught is not None and caught.si_signo != signal.SIGCHLD:
            os.kill(guard, signal.SIGTERM)
        ended, status = os.waitpid(guard, os.WNOHANG)
        if ended:
            return status


def _guard(driver: int, stop_patience_s: float) -> int:
    """Wait for the driver, stop it when asked, end what it leaves behind; returns its exit code.

    A driver that has not stopped after `stop_patience_s` is killed.
    """
    deadline_s: float | None = None
    while True:
        patience_s = 1.0 if deadline_s is None else max(0.0, min(0.2, deadline_s - time.monotonic()))
        caught = signal.sigtimedwait(_SIGNALS, patience_s)
        if caught is not None and caught.si_signo == _ORPHANED:
            deadline_s = time.monotonic()
        elif caught is not None and caught.si_signo in _STOP and deadline_s is None:
            deadline_s = time.monotonic() + stop_patience_s
            os.kill(driver, signal.SIGINT)
        ended, status = os.waitpid(driver, os.WNOHANG)
        if ended:
            _end_descendants(0.0 if deadline_s is not None else _LINGER_S)
            return _exit_code(status, stopped=deadline_s is not None)
        if deadline_s is not None and time.monotonic() >= deadline_s:
            os.kill(driver, signal.SIGKILL)
            os.waitpid(driver, 0)
            _end_descendants(0.0)
            sys.stderr.write("\nThe run was stopped. Run the same command again to resume it.\n")
            return CANCELLED


def _exit_code(status: int, stopped: bool) -> int:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    if stopped:
        return CANCELLED
    sys.stderr.write(
        f"\nError [run-killed]: The run was ended by signal {-code} ({signal.Signals(-code).name}).\n"
        "  Free some memory if the system ran short of it, then run the same command again: what is finished is kept.\n"
    )
    return KILLED


def _end_descendants(patience_s: float) -> None:
    """Kill what the driver left behind; as subreaper, this process is the parent of all of it."""
    own = psutil.Process()
    _, alive = psutil.wait_procs(own.children(recursive=True), timeout=patience_s)
    while alive:
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=1.0)
        alive = own.children(recursive=True)


def _fork(signal_on_parent_death: int) -> int:
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _prctl(_PR_SET_PDEATHSIG, signal_on_parent_death)
        if os.getppid() != parent:
            os._exit(KILLED)
    return child


def _rename(title: str) -> None:
    """Show this process under another name, so that killing the command by its name spares the guard."""
    fields = Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, title.encode(), min(len(title), end - start - 1))


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
