"""Imports are worked at by a thread of the replica that began them, or by any that is asked how far they are."""

from __future__ import annotations

import datetime
import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait

from e2e3d.errors import E2E3DError
from e2e3d.jobs.intake.imports import run_import
from e2e3d.jobs.intake.take import Intake
from e2e3d.serve.services import Services

_LOG = logging.getLogger(__name__)
_PATIENCE_S = 5.0


def now() -> datetime.datetime:
    """This moment, in UTC."""
    return datetime.datetime.now(datetime.UTC)


def intake_of(services: Services) -> Intake:
    """What takes photographs in."""
    return Intake(services.database, services.files, now)


class Imports:
    """Runs imports in the background, one at a time; nothing is lost when the process dies."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._threads = ThreadPoolExecutor(1, "import")
        self._running: dict[str, Future[None]] = {}

    def start(self, upload_id: str) -> None:
        """Work at an import unless somebody does."""
        self._running = {key: future for key, future in self._running.items() if not future.done()}
        if upload_id not in self._running:
            self._running[upload_id] = self._threads.submit(self._run, upload_id)

    def start_and_wait(self, upload_id: str) -> None:
        """The same, and wait a moment: most uploads are one photograph, and its owner wants to know at once."""
        self.start(upload_id)
        wait([self._running[upload_id]], _PATIENCE_S)

    def close(self) -> None:
        """Leave what is under way to other processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, upload_id: str) -> None:
        try:
            run_import(intake_of(self._services), upload_id, self._services.settings.s3_options)
        except E2E3DError as error:
            _LOG.warning("the import %s waits: %s", upload_id, error)
        except Exception:
            _LOG.exception("the import %s failed unexpectedly", upload_id)
            raise
