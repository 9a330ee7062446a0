"""Jobs as their users see them: submitted, listed, looked at, cancelled, deleted."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    bindparam,
    delete,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from e2e3d.config.run_options import options_from_json
from e2e3d.service.database.name_search import name_contains
from e2e3d.service.events import queries as events
from e2e3d.service.jobs import fair_queue
from e2e3d.service.jobs.lifecycle import JobTransition, State, event_type, next_state
from e2e3d.service.jobs.records import JobFilter, JobRecord, LogLine, NewJob, StageRecord
from e2e3d.service.jobs.tables import JobInputRow, JobLogRow, JobRow, JobStageRow

Position = tuple[datetime.datetime, str]
_COST_UNKNOWN_S = 60.0
_FIELDS = tuple(field.name for field in dataclasses.fields(JobRecord))
# What clients ask most often, so built once.
_FIND = select(*JobRow.__table__.columns).where(
    JobRow.id == bindparam("job_id"), JobRow.user_id == bindparam("user_id"), JobRow.deleted_at.is_(None)
)
_STAGES = (
    select(*JobStageRow.__table__.columns)
    .where(JobStageRow.job_id == bindparam("job_id"))
    .order_by(JobStageRow.attempt, JobStageRow.finished_at)
)


def create(session: Session, new: NewJob, photos: Sequence[tuple[str, str]], now: datetime.datetime) -> JobRecord:
    """Queue a job on `photos`, which are names and SHA-256 of blobs in the store."""
    asked = {field.name: getattr(new, field.name) for field in dataclasses.fields(NewJob)}
    asked |= {"settings": dict(new.settings), "options": new.options.to_json(), "outputs": list(new.outputs)}
    asked |= {"forecast": dict(new.forecast), "created_at": now, "queued_at": now, "updated_at": now}
    asked["cost_s"] = _cost_s(new.forecast)
    fair_queue.lock_user(session, new.user_id)
    row = JobRow(**asked)
    session.add(row)
    session.flush()
    fair_queue.assign_tags(session, new.user_id)
    session.refresh(row, ["start_tag"])
    inputs = [
        {"job_id": row.id, "position": position, "name": name, "sha256": sha256}
        for position, (name, sha256) in enumerate(photos)
    ]
    if inputs:
        session.execute(insert(JobInputRow), inputs)
    job = record(row)
    announce(session, job, now)
    return job


def _cost_s(forecast: Mapping[str, Any]) -> float:
    """Seconds of service that a job is expected to take."""
    low_s, high_s = (float(forecast.get(name, _COST_UNKNOWN_S)) for name in ("seconds_low", "seconds_high"))
    return max((low_s + high_s) / 2, 1.0)


def announce(session: Session, job: JobRecord, now: datetime.datetime) -> int:
    """Write the event of the state that `job` has; the last work of a transaction."""
    return events.append(
        session, job.user_id, job.id, event_type(State(job.state)), state_data(job), now, job.webhook_url
    )


def state_data(job: JobRecord) -> dict[str, Any]:
    """What an event says of a job."""
    data: dict[str, Any] = {"job_id": job.id, "state": job.state, "name": job.name, "attempt": job.attempt}
    if job.judgement is not None:
        data["judgement"] = dict(job.judgement)
    if job.error_code is not None:
        data["error"] = {"code": job.error_code, "message": job.error_message, "action": job.error_hint}
    return data


def find(session: Session | Connection, user_id: str, job_id: str) -> JobRecord | None:
    """A job of this user that is not deleted."""
    row = session.execute(_FIND, {"user_id": user_id, "job_id": job_id}).one_or_none()
    return None if row is None else record(row)


def by_id(session: Session, job_id: str) -> JobRecord | None:
    """A job, whosever it is."""
    row = session.get(JobRow, job_id, populate_existing=True)
    return None if row is None else record(row)


def listed(
    session: Session, user_id: str, wanted: JobFilter, limit: int, after: Position | None = None
) -> tuple[JobRecord, ...]:
    """The jobs of a user, newest first, those after the position (created_at, id)."""
    conditions: list[ColumnElement[bool]] = [JobRow.user_id == user_id, JobRow.deleted_at.is_(None)]
    if wanted.states:
        conditions.append(JobRow.state.in_(wanted.states))
    if wanted.image_set_id is not None:
        conditions.append(JobRow.image_set_id == wanted.image_set_id)
    if wanted.created_after is not None:
        conditions.append(JobRow.created_at >= wanted.created_after)
    if wanted.created_before is not None:
        conditions.append(JobRow.created_at < wanted.created_before)
    if wanted.text:
        conditions.append(name_contains(JobRow.name, wanted.text))
    if after is not None:
        conditions.append(tuple_(JobRow.created_at, JobRow.id) < after)
    query = select(JobRow).where(*conditions).order_by(JobRow.created_at.desc(), JobRow.id.desc()).limit(limit)
    return tuple(record(row) for row in session.scalars(query))


def photographs(session: Session, job_id: str) -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of the photographs of a job, in order."""
    query = select(JobInputRow.name, JobInputRow.sha256).where(JobInputRow.job_id == job_id)
    return tuple((row.name, row.sha256) for row in session.execute(query.order_by(JobInputRow.position)))


def request_cancel(session: Session, user_id: str, job_id: str, now: datetime.datetime) -> JobRecord | None:
    """Cancel a queued job at once, ask for the end of a running one, and leave one that has ended as it is."""
    fair_queue.lock_user(session, user_id)
    row = session.scalars(select(JobRow).where(*_mine(user_id, job_id)).with_for_update()).one_or_none()
    if row is None:
        return None
    if row.state == State.RUNNING and row.cancel_requested_at is None:
        row.cancel_requested_at = row.updated_at = now
        session.flush()
    if row.state != State.QUEUED:
        return record(row)
    row.state = next_state(State.QUEUED, JobTransition.STOPPED)
    row.cancel_requested_at = row.finished_at = row.updated_at = now
    session.flush()
    fair_queue.assign_tags(session, user_id)
    job = record(row)
    announce(session, job, now)
    return job


def cancel_all(session: Session, user_id: str, now: datetime.datetime) -> int:
    """Cancel every unfinished job of a user as :func:`request_cancel` does; returns how many still run."""
    active = select(JobRow.id).where(JobRow.user_id == user_id, JobRow.state.in_((State.QUEUED, State.RUNNING)))
    asked = [request_cancel(session, user_id, job_id, now) for job_id in session.scalars(active).all()]
    return sum(job is not None and job.state == State.RUNNING for job in asked)


def delete_ended(session: Session, user_id: str, job_id: str, now: datetime.datetime) -> JobRecord | None:
    """Hide a job that has ended, for the collector to remove; one that is active is returned as it is."""
    row = session.scalars(select(JobRow).where(*_mine(user_id, job_id)).with_for_update()).one_or_none()
    if row is None:
        return None
    if row.state in (State.QUEUED, State.RUNNING):
        return record(row)
    row.deleted_at = row.updated_at = now
    session.execute(delete(JobLogRow).where(JobLogRow.job_id == job_id))
    session.flush()
    job = record(row)
    events.append(session, job.user_id, job.id, "job.deleted", {"job_id": job.id}, now)
    return job


def log_lines(session: Session, job_id: str, limit: int, after: int = 0) -> tuple[LogLine, ...]:
    """The log of a job, oldest first, those after the line with the id `after`."""
    query = select(JobLogRow).where(JobLogRow.job_id == job_id, JobLogRow.id > after)
    rows = session.scalars(query.order_by(JobLogRow.id).limit(limit))
    return tuple(LogLine(row.id, row.at, row.level, row.message) for row in rows)


def add_log(session: Session, job_id: str, lines: Sequence[tuple[datetime.datetime, str, str]]) -> None:
    """Add lines (time, level, message) to the log of a job."""
    values = [{"job_id": job_id, "at": at, "level": level, "message": message} for at, level, message in lines]
    if values:
        session.execute(insert(JobLogRow), values)


def stages(session: Session | Connection, job_id: str) -> tuple[StageRecord, ...]:
    """What the stages of a job took, in the order in which they ended."""
    return tuple(
        StageRecord(
            row.attempt,
            row.stage,
            row.units,
            row.reused_units,
            row.elapsed_s,
            row.cpu_s,
            row.peak_bytes,
            row.finished_at,
        )
        for row in session.execute(_STAGES, {"job_id": job_id})
    )


def record(row: JobRow | Row[Any]) -> JobRecord:
    """The record of a row."""
    values: dict[str, Any] = {name: getattr(row, name) for name in _FIELDS}
    return JobRecord(**values | {"options": options_from_json(row.options), "outputs": tuple(row.outputs)})


def changed(session: Session, job_id: str, conditions: Sequence[Any], values: Mapping[str, Any]) -> JobRecord | None:
    """Update a job if it meets `conditions`; None when it does not."""
    statement = update(JobRow).where(JobRow.id == job_id, *conditions).values(**values).returning(JobRow)
    row = session.scalars(statement, execution_options={"populate_existing": True}).one_or_none()
    return None if row is None else record(row)


def _mine(user_id: str, job_id: str) -> tuple[ColumnElement[bool], ...]:
    return JobRow.id == job_id, JobRow.user_id == user_id, JobRow.deleted_at.is_(None)
