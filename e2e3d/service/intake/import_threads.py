"""Imports in the background: each user's one after another, those of different users side by side."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import E2E3DError
from e2e3d.service.intake.imports import run_import, waiting_imports
from e2e3d.service.intake.intake import Intake

_log = logging.getLogger(__name__)


class ImportThreads:
    """Works at imports in threads of this process; nothing is lost when the process dies.

    A user's imports have one thread, which lives while there are any: what a user sends never waits for the import of
    another, only for its turn at the processes that look at photographs.

    Args:
        intake: gives what takes photographs in; called for every import, since the store may be away at first.
        s3: how imports from S3 reach it.
    """

    def __init__(self, intake: Callable[[], Intake], s3: S3Options) -> None:
        self._intake = intake
        self._s3 = s3
        self._lock = threading.Lock()
        self._queues: dict[str, dict[str, threading.Event]] = {}
        self._closed = False

    def start(self, user_id: str, upload_id: str) -> threading.Event:
        """Work at an import of this user unless it is worked at here already; the event is set when it has ended."""
        with self._lock:
            queue = self._queues.get(user_id)
            if queue is None:
                queue = self._queues[user_id] = {}
                name = f"import {user_id}"
                threading.Thread(target=self._work, args=(user_id, queue), name=name, daemon=True).start()
            return queue.setdefault(upload_id, threading.Event())

    def resume(self) -> int:
        """Take up the imports that nobody works at; returns how many there were."""
        waiting = waiting_imports(self._intake())
        for user_id, upload_id in waiting:
            self.start(user_id, upload_id)
        return len(waiting)

    def close(self) -> None:
        """Leave what has not begun to other processes."""
        with self._lock:
            self._closed = True

    def _work(self, user_id: str, queue: dict[str, threading.Event]) -> None:
        while True:
            with self._lock:
                upload_id = next(iter(queue), None)
                if upload_id is None or self._closed:
                    del self._queues[user_id]
                    return
            self._run(upload_id)
            with self._lock:
                queue.pop(upload_id).set()

    def _run(self, upload_id: str) -> None:
        try:
            run_import(self._intake(), upload_id, self._s3)
        except E2E3DError as error:
            _log.warning("the import %s waits: %s", upload_id, error)
        except Exception:  # noqa: BLE001 - the thread goes on with the next import
            _log.exception("the import %s failed unexpectedly", upload_id)
