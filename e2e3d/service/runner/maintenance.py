"""What a service does beside its jobs: it delivers webhooks, resumes imports, and removes what nobody needs."""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable

from e2e3d.config.deployment import ServiceSettings
from e2e3d.errors import MachineError
from e2e3d.service.database import Database
from e2e3d.service.database.table_base import now
from e2e3d.service.events import queries as events
from e2e3d.service.intake.import_threads import ImportThreads
from e2e3d.service.intake.intake import Intake
from e2e3d.service.jobs import idempotency
from e2e3d.service.metrics.runner_metrics import RunnerMetrics
from e2e3d.service.retention.retention import RetentionPolicy, collect
from e2e3d.service.sign_in import queries as logins
from e2e3d.service.webhooks import queries as webhooks
from e2e3d.service.webhooks.sender import WebhookSender, deliver_until
from e2e3d.storage.objects import ObjectStore
from e2e3d.storage.opening import open_objects

log = logging.getLogger(__name__)

_LOOK_S = 2.0
_COLLECT_S = 600.0
_IMPORTS_S = 30.0
_FIRST_COLLECTION_S = 60.0
_KEYS_KEPT = datetime.timedelta(days=7)


class MaintenanceThreads:
    """Three threads that go on after any error, until they are stopped; as many processes as one likes may run them."""

    def __init__(self, settings: ServiceSettings, database: Database, metrics: RunnerMetrics | None = None) -> None:
        self._settings = settings
        self._metrics = metrics or RunnerMetrics(settings.runner_jobs)
        self._database = database
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True)
            for work in (self._deliver, self._import, self._collect)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what is under way may be cut off anywhere."""
        self._stop.set()

    def _deliver(self) -> None:
        assert self._settings.secret_key is not None
        sender = WebhookSender.allowing(self._settings.secret_key, self._settings.webhook_allowed_networks)
        self._attempt("deliver", lambda: deliver_until(self._stop, self._database, sender, idle_s=_LOOK_S))

    def _import(self) -> None:
        """Resume imports whose replica died."""
        imports = ImportThreads(lambda: Intake(self._database, self._files(), now), self._settings.s3_options)
        while not self._stop.wait(_IMPORTS_S):
            self._attempt("import", imports.resume)
        imports.close()

    def _files(self) -> ObjectStore:
        return open_objects(self._settings.store_url, self._settings.s3_options)

    def _collect(self) -> None:
        if self._stop.wait(_FIRST_COLLECTION_S):
            return
        while not self._stop.is_set():
            self._attempt("collect", lambda: self._collect_once(self._files()))
            self._stop.wait(_COLLECT_S)

    def _collect_once(self, files: ObjectStore) -> None:
        unused = datetime.timedelta(days=self._settings.retention_days_uploads)
        collect(self._database, files, RetentionPolicy(unused=unused), now())
        results = datetime.timedelta(days=self._settings.retention_days_results)
        with self._database.session() as session:
            idempotency.forget(session, now() - _KEYS_KEPT)
            events.forget(session, now() - results)
            webhooks.forget(session, now() - results)
            logins.forget_expired(session, now())

    def _attempt(self, name: str, work: Callable[[], object]) -> None:
        """Call `work`; what goes wrong is counted and logged, and the next round tries again."""
        try:
            work()
        except MachineError as error:
            log.warning("maintenance waits: %s", error.message)
            self._metrics.maintenance_errors.labels(name, error.code).inc()
        except Exception:
            log.exception("maintenance failed")
            self._metrics.maintenance_errors.labels(name, "internal-error").inc()
        else:
            self._metrics.maintained.labels(name).set_to_current_time()
