"""The runner: claims jobs from the database, has each computed by a driver process, and watches over it.

Any number of runners work side by side. A lease says which one has a job; it is renewed every few seconds, and a job
whose lease has run out is taken back by any other. A runner is one loop in one thread, which must live as long as its
drivers: the kernel ends them with it.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import shutil
import threading
import time
from collections.abc import Callable

from e2e3d.config.deployment import ServiceSettings
from e2e3d.errors import MachineError
from e2e3d.runtime.child_processes import is_dead, runner_name
from e2e3d.service.database import Database, Session
from e2e3d.service.database.table_base import now
from e2e3d.service.events.event_notifier import EventNotifier
from e2e3d.service.jobs import leases
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.lifecycle import JobTransition
from e2e3d.service.jobs.records import Fence, JobRecord
from e2e3d.service.metrics.runner_metrics import RunnerMetrics
from e2e3d.service.runner.driver_process import DriverProcess

log = logging.getLogger(__name__)

LEASE_S = 30.0
_RENEW_S = 5.0
_TICK_S = 0.25
_LOOK_S = 0.5
_IDLE_S = 1.0
_RECLAIM_S = 5.0
_TRUST_S = 15.0
_SILENT_S = 30.0
_NO_PROCESS_S = 30.0


class Runner:
    """Runs jobs until it is stopped.

    Args:
        settings: of the service.
        database: where jobs are claimed.
        address: of the Ray cluster that the drivers join; None lets each start a private one.
        metrics: where it counts what it does.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        address: str | None,
        metrics: RunnerMetrics | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._address = address
        self._metrics = metrics or RunnerMetrics(settings.runner_jobs)
        self._notifier = EventNotifier(settings.redis_url)
        self._name = runner_name()
        self._claims = 0
        self._work = settings.home / "work"
        self._keep = datetime.timedelta(days=settings.retention_days_results)
        self._drivers: list[DriverProcess] = []
        self._ended: list[tuple[DriverProcess, JobTransition]] = []
        self._stopping = threading.Event()
        self._due = {"renew": 0.0, "look": 0.0, "claim": 0.0, "reclaim": 0.0}
        self._cut_off_at_s = float("-inf")

    def run(self) -> None:
        """Work until :meth:`stop` was called and every driver has gone."""
        self._remove_leftovers()
        while not (self._stopping.is_set() and not self._drivers and not self._ended):
            self._metrics.went_round(self.busy)
            try:
                self._tick()
            except MachineError as error:
                self._metrics.errors.labels(error.code).inc()
                if time.monotonic() - self._cut_off_at_s > _TRUST_S:
                    log.warning("the runner waits: %s", error.message)
                self._cut_off_at_s = time.monotonic()
                time.sleep(_LOOK_S)
            self._stopping.wait(_TICK_S if self._drivers or self._ended else _IDLE_S)
            if self._stopping.is_set():
                time.sleep(_TICK_S / 5)

    def stop(self) -> None:
        """Claim nothing more, and give running jobs back to the queue: another runner resumes them."""
        self._stopping.set()

    @property
    def busy(self) -> int:
        """How many jobs are being computed."""
        return len(self._drivers)

    def _tick(self) -> None:
        for driver in [driver for driver in self._drivers if driver.exit_code() is not None]:
            self._drivers.remove(driver)
            self._ended.append((driver, driver.classify_exit()))
            driver.clean_up()
        if self._stopping.is_set():
            for driver in self._drivers:
                driver.stop(JobTransition.RELEASED)
        while self._ended:
            self._record_end(*self._ended[0])
            del self._ended[0]
        for driver in self._drivers:
            if driver.kill_if_silent(_SILENT_S):
                text = f"The process of the job gave no sign of life for {_SILENT_S:.0f} s and was killed."
                self._log(driver.fence, "warning", text)
        if self._drivers:
            self._every("renew", _RENEW_S, self._renew)
            self._every("look", _LOOK_S, self._look_for_cancels)
        if not self._stopping.is_set():
            self._every("reclaim", _RECLAIM_S, self._reclaim)
            if len(self._drivers) < self._settings.runner_jobs:
                self._every("claim", _LOOK_S if self._drivers else _IDLE_S, self._claim)

    def _every(self, name: str, period_s: float, work: Callable[[], None]) -> None:
        if time.monotonic() >= self._due[name]:
            self._due[name] = time.monotonic() + period_s
            work()

    def _claim(self) -> None:
        with self._database.quick_reading() as connection:
            if not leases.any_queued(connection):
                return
        owner = f"{self._name}:{self._claims}"
        self._claims += 1
        with self._database.session() as session:
            job = leases.claim(session, owner, now(), LEASE_S)
        if job is None:
            return
        fence = Fence(job.id, owner, job.attempt)
        self._metrics.claims.inc()
        log.info("job %s begins, attempt %d", job.id, job.attempt, extra={"members": {"job": job.id}})
        try:
            self._drivers.append(DriverProcess(fence, self._work / _folder_name(job.id, owner), self._address))
        except OSError as error:
            log.exception("the driver of job %s could not be started", job.id)
            self._log(fence, "error", f"The job's process could not be started: {error.strerror}.")
            self._finish(fence, JobTransition.INTERRUPTED)
            self._due["claim"] = time.monotonic() + _NO_PROCESS_S
        self._notifier.notify(job.user_id)

    def _renew(self) -> None:
        for driver in self._drivers:
            with self._database.session() as session:
                job = leases.renew(session, driver.fence, now(), LEASE_S)
            if job is None and driver.exit_code() is None:
                self._metrics.leases_lost.inc()
                driver.stop(JobTransition.INTERRUPTED)

    def _look_for_cancels(self) -> None:
        with self._database.reading() as session:
            wanted = leases.cancelled(session, [driver.fence for driver in self._drivers])
        for driver in self._drivers:
            if driver.fence.job_id in wanted:
                driver.stop(JobTransition.STOPPED)

    def _reclaim(self) -> None:
        """Take back jobs whose runner fell silent; not just after the database was away, when all were silent."""
        if time.monotonic() - self._cut_off_at_s < _TRUST_S:
            return
        with self._database.reading() as session:
            dead = [owner for owner in leases.owners(session) if is_dead(owner)]
            if not dead and not leases.any_lapsed(session, now()):
                return
        while True:
            with self._database.session() as session:
                job = leases.reclaim(session, now(), self._keep, dead)
                if job is None:
                    return
                self._metrics.leases_reclaimed.inc()
                line = (now(), "warning", f"The runner of the job fell silent; the job is {job.state} now.")
                jobs.add_log(session, job.id, [line])
            self._notifier.notify(job.user_id)

    def _record_end(self, driver: DriverProcess, transition: JobTransition) -> None:
        code = driver.exit_code()
        by_itself = driver.stop_reason is None and code == 0
        self._metrics.attempts.labels("ended" if by_itself else transition.value).inc()
        if driver.stop_reason is None and code != 0:
            how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
            why = ": its Ray cluster or the database is away" if transition is JobTransition.INTERRUPTED else ""
            self._log(driver.fence, "warning", f"The process of the job {how}{why}.")
        self._finish(driver.fence, transition)

    def _finish(self, fence: Fence, transition: JobTransition) -> None:
        with self._database.session() as session:
            job = leases.finish(session, fence, transition, now(), self._keep)
        if job is not None:
            log.info("job %s is %s", job.id, job.state, extra={"members": {"job": job.id}})
            self._notifier.notify(job.user_id)

    def _log(self, fence: Fence, level: str, message: str) -> None:
        """Add a line to the log of a job, unless its lease is lost."""
        with self._database.session() as session:
            if leases.held(session, fence):
                jobs.add_log(session, fence.job_id, [(now(), level, message)])

    def _remove_leftovers(self) -> None:
        """Remove the working files of attempts whose processes were killed with their runner."""
        if not self._work.is_dir():
            return

        def used(session: Session) -> set[str]:
            running: list[JobRecord | None] = [jobs.by_id(session, path.name[:36]) for path in self._work.iterdir()]
            return {
                _folder_name(job.id, job.lease_owner)
                for job in running
                if job is not None and job.lease_owner is not None and not is_dead(job.lease_owner)
            }

        keep = self._database.retry(used, timeout_s=3600.0)
        for path in self._work.iterdir():
            if path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)


def _folder_name(job_id: str, owner: str) -> str:
    """Of the working files of a claim: its attempt may have the number of one that was interrupted."""
    return f"{job_id}-{hashlib.sha256(owner.encode()).hexdigest()[:12]}"
