"""One attempt of one job, as a process: ``python -m e2e3d.service.runner.driver JOB OWNER ATTEMPT PARENT FOLDER PIPE``.

The runner starts it with a lease. It joins the Ray cluster, runs the pipeline on photographs that lie in the store, and
writes progress and results behind the fence of the lease. It ends the job itself, in one transaction, when it succeeds
or fails; when it is stopped or dies, the runner does. Through the pipe it gives signs of life.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from e2e3d.config.deployment import ServiceSettings, load_service_settings
from e2e3d.config.workload import TYPICAL_MEGAPIXELS
from e2e3d.data.judgement import Judgement
from e2e3d.data.photo import Photo
from e2e3d.data.stats import StageStats
from e2e3d.errors import CancelledError, E2E3DError, MachineError
from e2e3d.outputs.manifest import read_manifest
from e2e3d.pipeline.cancellation import CancelToken, cancel_on_signals
from e2e3d.pipeline.run import RunParts, RunRequest, open_run, run_and_export
from e2e3d.pipeline.sources.source_set import StoredFiles
from e2e3d.runtime.child_processes import die_with
from e2e3d.runtime.heartbeat import send_heartbeats
from e2e3d.runtime.logs import JsonLines
from e2e3d.runtime.tracing import span, start_tracing, stop_tracing
from e2e3d.service.administration import audit, state
from e2e3d.service.database import Database
from e2e3d.service.database.table_base import now
from e2e3d.service.events.event_notifier import EventNotifier
from e2e3d.service.intake.lost_photographs import lost_photographs, photographs_gone
from e2e3d.service.jobs import leases
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs import stage_times as forecasts
from e2e3d.service.jobs.lifecycle import JobTransition
from e2e3d.service.jobs.records import Fence, JobRecord
from e2e3d.service.runner.attempt_spans import attempt_span, end_attempt_span
from e2e3d.service.runner.driver_process import INTERRUPTED, RAY_JOB_FILE
from e2e3d.service.runner.journal import JobArtifactObserver, Journal, JournalHandler
from e2e3d.service.runner.publisher import Publisher
from e2e3d.storage.opening import open_objects
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.open_executor import executor_opener
from e2e3d.tasks.ray_session import RayError, current_ray_job

log = logging.getLogger("e2e3d.driver")

ENDED, STOPPED, CRASHED = 0, 130, 70

_NO_CLUSTER = frozenset({"cluster-unreachable", "ray-failed"})
_PASSING = _NO_CLUSTER | {"database-away", "database-busy", "store-unreachable", "artifact-missing", "artifact-damaged"}
_PAUSES_S = (1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 60.0)


def main(arguments: list[str]) -> int:
    """Run the attempt that the arguments name; returns the exit code."""
    job_id, owner, attempt, parent, folder, pipe = arguments
    die_with(int(parent))
    send_heartbeats(int(pipe))
    settings = load_service_settings()
    database = Database(settings.database, pool_size=3)
    fence = Fence(job_id, owner, int(attempt))
    return JobAttempt(settings, database, fence, Path(folder)).run()


class JobAttempt:
    """One attempt: what connects the pipeline with the database, the store and Ray."""

    def __init__(self, settings: ServiceSettings, database: Database, fence: Fence, folder: Path) -> None:
        self._settings = settings
        self._database = database
        self._fence = fence
        self._folder = folder
        self._out = folder / "out"
        self._cancel = CancelToken()

    def run(self) -> int:
        """Do the work; the exit code says how it ended."""
        try:
            with cancel_on_signals(self._cancel):
                job = self._database.retry(lambda session: jobs.by_id(session, self._fence.job_id))
                if job is None:
                    return STOPPED
                notifier = EventNotifier(self._settings.redis_url)
                journal = Journal(
                    self._database,
                    self._fence,
                    self._cancel.cancel,
                    lambda: notifier.notify(job.user_id),
                    self._places(),
                )
                level = self._database.retry(state.log_level) or self._settings.log_level
                start_tracing(self._settings.traces_endpoint, "driver")
                with _logging_to(journal, level, self._members(job)), attempt_span(job, self._fence) as whole:
                    log.info("attempt %d begins", self._fence.attempt)
                    transition, error = self._work(job, journal)
                    end_attempt_span(whole, transition, error)
                    self._finish(transition, error)
                notifier.notify(job.user_id)
                return ENDED
        except CancelledError:
            return STOPPED
        except RayError:
            log.exception("Ray failed")
            return CRASHED
        except MachineError as error:
            log.error("%s", error.message)
            return INTERRUPTED

    def _finish(self, transition: JobTransition, error: E2E3DError | None) -> None:
        judgement = self._judgement() if error is None else None
        keep = datetime.timedelta(days=self._settings.retention_days_results)
        ended = self._database.retry(
            lambda session: leases.finish(session, self._fence, transition, now(), keep, error, judgement),
            timeout_s=600.0,
        )
        if ended is not None:
            log.info("the job is %s", ended.state)

    def _places(self) -> tuple[str, ...]:
        """Where the service keeps its files, which its users have no need to know."""
        settings = self._settings
        kept = (settings.home, settings.store_url, self._folder, tempfile.gettempdir())
        return (*map(str, kept), self._database.place, settings.s3_endpoint or "")

    def _members(self, job: JobRecord) -> dict[str, str]:
        """What stands in every line: the job, and the request that submitted it."""
        asked = self._database.retry(lambda session: audit.request_of(session, "job.submit", job.id, job.created_at))
        return {"process": "driver", "job": job.id} | ({} if asked is None else {"request": asked})

    def _work(self, job: JobRecord, journal: Journal) -> tuple[JobTransition, E2E3DError | None]:
        try:
            self._reconstruct_patiently(job, journal)
        except (CancelledError, RayError):
            raise
        except E2E3DError as error:
            if error.code in _NO_CLUSTER:
                raise
            log.error("the job failed: %s: %s", error.code, error)
            return JobTransition.REFUSED, journal.public(error)
        except Exception as error:
            log.exception("the job met a mistake in E2E3D")
            return JobTransition.REFUSED, _internal_error(error)
        finally:
            journal.close()
        return JobTransition.COMPLETED, None

    def _reconstruct_patiently(self, job: JobRecord, journal: Journal) -> None:
        """Go on after failures that pass by themselves: everything finished is in the store.

        Photographs that are lost do not come back by themselves: every try begins with a look at them.
        """
        for pause_s in (*_PAUSES_S, None):
            try:
                self._reconstruct(job, journal)
                return
            except MachineError as error:
                if error.code not in _PASSING or pause_s is None:
                    raise
                log.warning("The job goes on in %.0f s: %s", pause_s, error)
            deadline_s = time.monotonic() + pause_s
            while time.monotonic() < deadline_s:
                self._cancel.check()
                time.sleep(0.2)

    def _require_photographs(self, job: JobRecord) -> tuple[tuple[str, str], ...]:
        """Name and SHA-256 of the job's photographs; raises InputError ``photographs-gone`` when bytes are lost."""
        photographs = self._database.retry(lambda session: jobs.photographs(session, job.id))
        files = open_objects(self._settings.store_url, self._settings.s3_options)
        gone = lost_photographs(self._database, files, photographs, now())
        if gone:
            raise photographs_gone(gone, len(photographs))
        return photographs

    def _reconstruct(self, job: JobRecord, journal: Journal) -> None:
        settings = self._settings
        photographs = self._require_photographs(job)
        tiles = "tiles" in job.outputs if job.outputs else None
        options = replace(job.options, keep_depth="depth" in job.outputs, tiles=tiles)
        request = RunRequest(StoredFiles(photographs), job.quality, job.settings, options)
        files = open_objects(settings.store_url, settings.s3_options)
        publisher = Publisher(
            files, self._database, self._fence, job.outputs, self._folder / "partial", self._cancel.cancel
        )
        parts = RunParts(
            store=ArtifactStore(settings.store_url, settings.s3_options),
            open_executor=executor_opener(settings),
            times=settings.home / "times.json",
            listener=journal.report,
            cancel=self._cancel,
            observer=JobArtifactObserver(journal, publisher.pass_finished),
            megapixels=float(job.forecast.get("megapixels", TYPICAL_MEGAPIXELS)),
        )
        try:
            with open_run(request, parts) as executor:
                self._tell_ray_job()
                results, _ = run_and_export(request, executor, self._out)
                journal.stage("publish", 0, 1)
                with span("publish"):
                    publisher.publish(self._out, lambda done, total: journal.stage("publish", done, total))
                self._remember(job, results.photos, executor.stats)
        finally:
            publisher.close()

    def _remember(self, job: JobRecord, photos: Sequence[Photo], stats: Sequence[StageStats]) -> None:
        """Let later forecasts learn from what this job took, unless it says little of its preset."""
        if job.settings:
            return
        megapixels = sum(photo.width_px * photo.height_px for photo in photos) / len(photos) / 1e6
        self._database.retry(lambda session: forecasts.add(session, job.quality, len(photos), megapixels, stats, now()))

    def _judgement(self) -> Judgement | None:
        """What the finished result is worth."""
        return read_manifest(self._out).judgement

    def _tell_ray_job(self) -> None:
        """Leave what Ray calls this driver and its cluster for the runner, which waits for the end of its workers."""
        job = current_ray_job()
        if job is not None:
            (self._folder / RAY_JOB_FILE).write_text(" ".join(job))


def _internal_error(error: Exception) -> E2E3DError:
    return E2E3DError(
        "internal-error",
        f"The job met a mistake in E2E3D ({type(error).__name__}).",
        "Retry it once; if it happens again, report it with the job's log.",
    )


@contextlib.contextmanager
def _logging_to(journal: Journal, level: str, members: Mapping[str, str]) -> Iterator[None]:
    """Log the package into the job's log, and as JSON lines to standard error."""
    logger = logging.getLogger("e2e3d")
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(JsonLines(members=members))
    handlers = (lines, JournalHandler(journal))
    logger.setLevel(level.upper())
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            logger.removeHandler(handler)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    stop_tracing()
    logging.shutdown()
    os._exit(code)
