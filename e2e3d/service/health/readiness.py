"""Whether what requests need is there: tried out by writing, at a bounded rate however often somebody asks."""

from __future__ import annotations

import concurrent.futures
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping

from e2e3d.config.deployment import ServiceSettings
from e2e3d.errors import E2E3DError, MachineError
from e2e3d.service.administration import state
from e2e3d.service.database.table_base import now
from e2e3d.service.services import Check, Services

LIMIT_S = 3.0
GOOD_FOR_S = 5.0
_PROBE = "health/probe"
_LOG = logging.getLogger("e2e3d.serve")


def checks_of(services: Services) -> dict[str, Check]:
    """The checks of a deployment by name; each raises when its part is not ready."""
    return {
        "database": lambda: _write_database(services),
        "store": lambda: _write_store(services),
        "disk": lambda: require_space(services.settings),
        **services.checks,
    }


def _write_database(services: Services) -> None:
    """One row, written and committed: only that notices a full disk, a standby or a lock that nobody gives back."""
    with services.database.session() as session:
        state.beat(session, now())


def _write_store(services: Services) -> None:
    """One small object, always the same."""
    services.files.write(_PROBE, [b"ok"])


def require_space(settings: ServiceSettings) -> str:
    """How much is free in the folders of this machine.

    Raises:
        MachineError: ``disk-low`` where it is less than the settings want.
    """
    free = []
    for folder in settings.local_folders:
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free_bytes = shutil.disk_usage(there).free
        if free_bytes < settings.min_free_bytes:
            message = f"{free_bytes} bytes are free in {there}, less than {settings.min_free_bytes}."
            raise MachineError("disk-low", message, "Free some space, or set E2E3D_MIN_FREE_BYTES.")
        free.append(f"{free_bytes / 1e9:.1f} GB free in {there}")
    return ", ".join(free) or "nothing is kept on disks of this machine"


class Readiness:
    """Runs checks in threads of their own, so that one that hangs holds up nothing else.

    An answer is good for :data:`GOOD_FOR_S`; a check that hangs is not begun again before it has ended.

    Args:
        checks: by name; each raises when its part is not ready.
        clock_s: a monotonic clock.
    """

    def __init__(self, checks: Mapping[str, Check], clock_s: Callable[[], float] = time.monotonic) -> None:
        self._checks = dict(checks)
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._begun_s = float("-inf")
        self._answers: dict[str, concurrent.futures.Future[None]] = {}
        self._told: set[str] = set()

    def ask(self) -> dict[str, str | None]:
        """What is wrong with each part, None for one that is ready; takes at most :data:`LIMIT_S`."""
        with self._lock:
            if self._clock_s() - self._begun_s >= GOOD_FOR_S:
                self._begin()
            answers = dict(self._answers)
            left_s = self._begun_s + LIMIT_S - self._clock_s()
        concurrent.futures.wait(answers.values(), timeout=max(0.0, left_s))
        return {name: self._problem(name, answer) for name, answer in answers.items()}

    def _begin(self) -> None:
        self._begun_s = self._clock_s()
        for name, check in self._checks.items():
            if name not in self._answers or self._answers[name].done():
                self._answers[name] = _in_background(check)

    def _problem(self, name: str, answer: concurrent.futures.Future[None]) -> str | None:
        if not answer.done():
            problem, detail = f"No answer within {LIMIT_S:.0f} s.", "no answer"
        elif (error := answer.exception()) is None:
            self._told.discard(name)
            return None
        else:
            problem = error.code if isinstance(error, E2E3DError) else type(error).__name__
            detail = str(error)
        if name not in self._told:
            self._told.add(name)
            _LOG.warning("%s is not ready: %s", name, detail)
        return problem


def _in_background(check: Check) -> concurrent.futures.Future[None]:
    answer: concurrent.futures.Future[None] = concurrent.futures.Future()

    def work() -> None:
        try:
            check()
        except BaseException as error:  # noqa: BLE001 -- whatever it is, it goes to the one who asks
            answer.set_exception(error)
        else:
            answer.set_result(None)

    threading.Thread(target=work, daemon=True, name="readyz").start()
    return answer
