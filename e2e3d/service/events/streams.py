"""Streams of events, whatever carries them: in order, without gaps, from any id on, and bounded in memory."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

from starlette.concurrency import run_in_threadpool

from e2e3d.errors import MachineError
from e2e3d.service.events import queries as events
from e2e3d.service.events.records import EventRecord
from e2e3d.service.http.problems import ProblemError, missing
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.lifecycle import PROGRESS_EVENT, TERMINAL, event_type
from e2e3d.service.services import Services

HEARTBEAT_S = 15.0
MAX_STREAMS = 50
_LOOK_AGAIN_S = 5.0
_BATCH = 100
_LAST = frozenset({*(event_type(state) for state in TERMINAL), "job.deleted"})


def start_of(services: Services, user_id: str, job_id: str | None, after: int | None) -> int | None:
    """The id after which a stream begins; None when the job has ended and everything was sent.

    Without a wish, a job's stream begins with its first event, and a user's with the next one.

    Raises:
        ProblemError: ``job-missing``, or ``too-many-streams`` (429).
    """
    if services.followers.count(user_id) >= MAX_STREAMS:
        raise ProblemError(429, "too-many-streams", f"You have {MAX_STREAMS} streams open.", "Close some of them.")
    with services.database.reading() as session:
        if job_id is None:
            return after if after is not None else events.newest_id_of(session, user_id)
        job = jobs.find(session, user_id, job_id)
        if job is None:
            raise missing("job")
        if after is not None and job.state in TERMINAL and not events.after(session, user_id, after, 1, job_id):
            return None
        return after or 0


async def stream(
    services: Services, user_id: str, start: int, job_id: str | None, until_s: float
) -> AsyncIterator[EventRecord | None]:
    """The events after the id `start`; None now and then, so that whoever carries them knows of a dead connection.

    A job's stream ends after the job, every stream at the monotonic time `until_s`; readers come back with the last id.
    Of the progress that a slow reader has missed it gets the last.
    """
    last, sent_s = start, time.monotonic()
    with services.followers.follow(user_id) as follower:
        while time.monotonic() < until_s:
            batch = await run_in_threadpool(_read, services, user_id, last, job_id)
            for event in without_stale_progress(batch):
                yield event
                sent_s = time.monotonic()
                if job_id is not None and event.type in _LAST:
                    return
            last = batch[-1].id if batch else last
            if len(batch) == _BATCH:
                continue
            if time.monotonic() - sent_s >= HEARTBEAT_S:
                yield None
                sent_s = time.monotonic()
            await follower.news(_LOOK_AGAIN_S)


def without_stale_progress(batch: Sequence[EventRecord]) -> list[EventRecord]:
    """Leave out progress of a job that later progress in the batch replaces."""
    newest = {event.job_id: event.id for event in batch if event.type == PROGRESS_EVENT}
    return [event for event in batch if event.type != PROGRESS_EVENT or newest[event.job_id] == event.id]


def _read(services: Services, user_id: str, last: int, job_id: str | None) -> tuple[EventRecord, ...]:
    try:
        with services.database.reading() as session:
            return events.after(session, user_id, last, _BATCH, job_id)
    except MachineError:
        return ()  # the database is away; the stream goes on when it is back
