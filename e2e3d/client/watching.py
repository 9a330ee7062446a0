"""Follows a job by server-sent events, from the event that was seen last; asks now and then where those do not come."""

from __future__ import annotations

import json
from collections.abc import Callable

from e2e3d.client.errors import JobEndedError, UnreachableError
from e2e3d.client.exchange import attempt, pause_before
from e2e3d.client.flow import Emit, Flow, Open, Pause, Read
from e2e3d.client.jobs import job
from e2e3d.client.models import Event, Job
from e2e3d.client.session import Session
from e2e3d.client.sse import EventParser, ServerEvent
from e2e3d.client.wire import Call, path

_LONGEST_PAUSE_S = 2.0
_SILENT_STREAMS = 4
"""After so many streams that said nothing it asks for the job as well: something on the way may hold events back."""


def watch(session: Session, job_id: str, after: int | None = None) -> Flow[None]:
    """Iterates over what happens to a job until it has ended; the last event says how.

    Args:
        session: given by the client.
        job_id: which job.
        after: id of the last event that is known; None = begin with the first one that the service still has.

    Raises:
        NotFoundError: there is no such job.
        UnreachableError: the service was away for longer than the client's patience.
    """
    return _follow(session, job_id, after, None)


def wait(session: Session, job_id: str, listener: Callable[[Event], None] | None = None) -> Flow[Job]:
    """Wait for the end of a job; `listener` is told of everything until then.

    Raises:
        JobEndedError: it failed or was cancelled; the code and the hint are the job's.
        NotFoundError: there is no such job.
    """
    yield from _follow(session, job_id, None, listener or (lambda event: None))
    ended = yield from job(session, job_id)
    if ended.state == "succeeded":
        return ended
    raise failure_of(ended)


def watch_all(session: Session, after: int | None = None) -> Flow[None]:
    """Iterates over what happens to all of your jobs from now on, or after the event `after`; it does not end.

    Raises:
        AuthenticationError: the sign-in has ended.
        UnreachableError: the service was away for longer than the client's patience.
    """
    last, tries = after, 0
    while True:
        tries += 1
        parser = EventParser()
        reply = yield from attempt(session, _stream(path("events"), last), Open)
        reply.checked()
        try:
            while chunk := (yield Read()):
                for event in parser.feed(chunk):
                    tries = 0
                    last = int(event.id) if event.id.isdigit() else last
                    told = _told(event)
                    if told is not None:
                        yield Emit(told)
        except (UnreachableError, ValueError):
            pass  # the stream goes on from the last id
        yield Pause(min(pause_before(tries), _LONGEST_PAUSE_S))


def _follow(session: Session, job_id: str, after: int | None, listener: Callable[[Event], None] | None) -> Flow[None]:
    """Emits events, or tells a listener instead."""
    last, tries = after, 0
    known: Event | None = None
    while True:
        tries += 1
        parser = EventParser()
        # where there is no stream, asking for the job shows whether the service is away
        reply = yield from attempt(session, _stream(path("jobs", job_id, "events"), last), Open, wait_elsewhere=False)
        try:
            while reply.status == 200 and (chunk := (yield Read())):
                for event in parser.feed(chunk):
                    last = int(event.id) if event.id.isdigit() else last
                    told = _told(event)
                    if told is None:
                        continue
                    tries = 0
                    yield from _tell(told, listener)
                    if told.ends_job:
                        return
        except (UnreachableError, ValueError):
            pass  # the stream goes on from the last id
        if reply.status != 200 or tries >= _SILENT_STREAMS:
            state = _present((yield from job(session, job_id)))
            if state != known:
                yield from _tell(state, listener)
            if state.ends_job:
                return
            known = state
        yield Pause(min(pause_before(tries), _LONGEST_PAUSE_S))


def _tell(event: Event, listener: Callable[[Event], None] | None) -> Flow[None]:
    if listener is None:
        yield Emit(event)
    else:
        listener(event)


def failure_of(ended: Job) -> JobEndedError:
    """The error that a job without a model means."""
    if ended.error is not None:
        return JobEndedError(ended.error.code, ended.error.message, ended.error.action)
    return JobEndedError("job-cancelled", f"The job {ended.id} was cancelled.", "Run it again: it goes on from there.")


def _stream(where: str, last: int | None) -> Call:
    headers = {"accept": "text/event-stream", "cache-control": "no-store"}
    if last is not None:
        headers["last-event-id"] = str(last)
    return Call("GET", where, headers=headers)


def _told(event: ServerEvent) -> Event | None:
    if not event.type.startswith("job."):
        return None
    known = int(event.id) if event.id.isdigit() else None
    data = json.loads(event.data)
    return Event(id=known, type=event.type, job_id=data.get("job_id"), data=data)


def _present(found: Job) -> Event:
    """What an event would say of a job that somebody has looked at."""
    data = {"job_id": found.id, "state": found.state, "name": found.name, "attempt": found.attempt}
    if found.judgement is not None and found.state == "succeeded":
        data["judgement"] = found.judgement.model_dump(mode="json")
    if found.error is not None:
        data["error"] = found.error.model_dump()
    running = found.state == "running"
    if running:
        data |= {
            name: getattr(found, name)
            for name in ("stage", "units_done", "units_total", "progress", "eta_low_s", "eta_high_s")
        }
    return Event(id=None, type="job.progress" if running else f"job.{found.state}", job_id=found.id, data=data)
