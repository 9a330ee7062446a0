"""Writes what a running job reports into the database: progress twice a second, stages, log lines, artifacts it uses.

The pipeline only adds to what waits in memory; one thread writes it, all in one short transaction that holds the job's
lease. While the database is away it waits in bounded memory, and the reconstruction goes on.
"""

from __future__ import annotations

import copy
import datetime
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from e2e3d.data.ref import Ref
from e2e3d.data.stats import StageStats
from e2e3d.errors import E2E3DError, MachineError
from e2e3d.pipeline.progress import ProgressReport
from e2e3d.service.database import Database, Session
from e2e3d.service.database.table_base import now
from e2e3d.service.jobs import leases
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.records import Fence, ProgressUpdate
from e2e3d.service.public_errors import public_error, without_places

_PERIOD_S = 0.5
_LINES = 2000

log = logging.getLogger(__name__)


class Journal:
    """Writes what one attempt of a job reports; :meth:`close` writes the rest.

    Args:
        database: where to.
        fence: the right to write.
        lost: called once when the lease is lost: somebody else works on the job now.
        wake: called after something was written, for whoever follows events.
        places: folders and URLs that no text for users may contain.
    """

    def __init__(
        self,
        database: Database,
        fence: Fence,
        lost: Callable[[], None],
        wake: Callable[[], None] = lambda: None,
        places: Sequence[str] = (),
    ) -> None:
        self._database = database
        self._fence = fence
        self._lost = lost
        self._wake = wake
        self._places = tuple(places)
        self._lock = threading.Lock()
        self._progress: ProgressUpdate | None = None
        self._fraction = 0.0
        self._stages: list[StageStats] = []
        self._lines: deque[tuple[datetime.datetime, str, str]] = deque(maxlen=_LINES)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write_until_closed, name="journal", daemon=True)
        self._thread.start()

    def report(self, report: ProgressReport) -> None:
        """Take in a progress report of the engine."""
        with self._lock:
            if report.stats is not None:
                self._stages.append(report.stats)
                self._lines.append((now(), "info", _summary(report.stats)))
            self._set_progress(report.stage, report.done, report.total, report.fraction, report.eta_s)

    def stage(self, label: str, done: int, total: int) -> None:
        """Take in work that the engine does not report, such as the export."""
        with self._lock:
            self._set_progress(label, done, total, None, None)

    def public(self, error: E2E3DError) -> E2E3DError:
        """The error in words for the user of the job."""
        public = public_error(error)
        texts = (without_places(text, self._places) for text in (public.message, public.hint))
        return type(public)(public.code, *texts)

    def _set_progress(
        self, label: str, done: int, total: int, fraction: float | None, eta_s: tuple[float, float] | None
    ) -> None:
        if fraction is not None:
            self._fraction = max(self._fraction, min(fraction, 0.99))
        self._progress = ProgressUpdate(label, done, total, round(self._fraction, 4), eta_s)

    def log(self, level: str, message: str) -> None:
        """Take in a line of the log."""
        with self._lock:
            self._lines.append((now(), level, _storable(without_places(message, self._places))))

    def uses(self, keys: Sequence[str]) -> None:
        """Remember the artifacts before they are looked up, so that the collector leaves them; waits for the database.

        Raises:
            MachineError: ``database-away`` after a minute.
        """
        if not self._database.retry(lambda session: leases.add_artifacts(session, self._fence, keys)):
            self._lost()

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what is left, if the database answers within `timeout_s`."""
        self._end.set()
        self._thread.join(timeout_s)

    def _write_until_closed(self) -> None:
        while not self._end.wait(_PERIOD_S):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            progress, self._progress = self._progress, None
            stages, self._stages = self._stages, []
            lines = list(self._lines)
            self._lines.clear()
        if progress is None and not stages and not lines:
            return

        def write(session: Session) -> bool:
            if not leases.held(session, self._fence):
                return False
            jobs.add_log(session, self._fence.job_id, lines)
            for stats in stages:
                leases.write_stage(session, self._fence, stats, now())
            return progress is None or leases.write_progress(session, self._fence, progress, now())

        try:
            with self._database.session() as session:
                held = write(session)
        except MachineError:
            self._put_back(progress, stages, lines)
            return
        except Exception:  # what was to be written is at fault: without it the next is written
            log.exception("the journal of a job could not be written")
            return
        try:
            if held:
                self._wake()
            else:
                self._lost()
        except Exception:  # the thread must go on: it is what writes progress, and learns that the lease is lost
            log.exception("who follows the job could not be notified")

    def _put_back(
        self,
        progress: ProgressUpdate | None,
        stages: list[StageStats],
        lines: list[tuple[datetime.datetime, str, str]],
    ) -> None:
        with self._lock:
            self._progress = self._progress or progress
            self._stages = stages + self._stages
            self._lines.extendleft(reversed(lines))


def _storable(message: str) -> str:
    """Text without what no database takes: names of files that are no UTF-8, and NUL."""
    return message.encode("utf-8", "replace").decode().replace("\0", "?")


def _summary(stats: StageStats) -> str:
    reused = f" ({stats.reused_units} reused)" if stats.reused_units else ""
    memory_mb = stats.peak_memory_bytes / 1e6
    units = f"{stats.units} unit{'s' if stats.units != 1 else ''}{reused}"
    return f"{stats.stage}: {units}, {stats.elapsed_s:.1f} s, {stats.cpu_s:.1f} CPU s, {memory_mb:.0f} MB"


class JournalHandler(logging.Handler):
    """Log records as lines of a job's log."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """See :class:`logging.Handler`; errors come in the words for users, other handlers have their own."""
        if isinstance(record.args, tuple) and any(isinstance(value, Exception) for value in record.args):
            record = copy.copy(record)
            record.args = tuple(self._for_users(value) for value in record.args or ())
        self._journal.log(record.levelname.lower(), record.getMessage())

    def _for_users(self, value: object) -> object:
        if isinstance(value, E2E3DError):
            return self._journal.public(value)
        return type(value).__name__ if isinstance(value, Exception) else value


class JobArtifactObserver:
    """Passes on to the journal which artifacts a run uses, and to a publisher which passes are done."""

    def __init__(self, journal: Journal, finished: Callable[[str, Sequence[Ref[object]]], None]) -> None:
        self._journal = journal
        self._finished = finished

    def uses(self, keys: Sequence[str]) -> None:
        """See :class:`e2e3d.pipeline.base_executor.ArtifactObserver`."""
        self._journal.uses(keys)

    def pass_finished(self, label: str, results: Sequence[Ref[object]]) -> None:
        """See :class:`e2e3d.pipeline.base_executor.ArtifactObserver`."""
        self._finished(label, results)
