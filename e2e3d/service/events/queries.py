"""Events: what happened to jobs, in the order in which whoever reads by id will always find it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from e2e3d.service.events.records import EventRecord
from e2e3d.service.events.tables import EventRow
from e2e3d.service.webhooks import queries as webhooks

PROGRESS = "job.progress"


def append(
    session: Session,
    user_id: str,
    job_id: str,
    event_type: str,
    data: Mapping[str, Any],
    at: datetime.datetime,
    webhook_url: str | None = None,
) -> int:
    """Write an event, and queue it for the webhooks that want it. Returns its id.

    On PostgreSQL ids are given before transactions commit. So that nobody who reads by id misses one that commits late,
    writers of one user's events wait for each other from here to their commit: this must be a transaction's last work.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:user, 0))"), {"user": user_id})
    values = {"user_id": user_id, "job_id": job_id, "type": event_type, "data": dict(data), "at": at}
    event_id = session.execute(insert(EventRow).values(**values).returning(EventRow.id)).scalar_one()
    if event_type != PROGRESS:
        webhooks.enqueue(session, user_id, job_id, webhook_url, event_id, event_type, data, at)
    return event_id


def after(
    session: Session, user_id: str, event_id: int, limit: int = 100, job_id: str | None = None
) -> tuple[EventRecord, ...]:
    """The events of a user, or of one of the user's jobs, that follow `event_id`, oldest first."""
    wanted = [EventRow.user_id == user_id, EventRow.id > event_id]
    if job_id is not None:
        wanted.append(EventRow.job_id == job_id)
    rows = session.scalars(select(EventRow).where(*wanted).order_by(EventRow.id).limit(limit))
    return tuple(EventRecord(row.id, row.user_id, row.job_id, row.type, row.data, row.at) for row in rows)


def newest_id(session: Session) -> int:
    """The largest id so far, 0 when there is no event."""
    return session.scalar(select(func.max(EventRow.id))) or 0


def newest_id_of(session: Session, user_id: str) -> int:
    """The largest id of a user's events so far, 0 when there is none."""
    return session.scalar(select(func.max(EventRow.id)).where(EventRow.user_id == user_id)) or 0


def users_since(session: Session, event_id: int) -> frozenset[str]:
    """Who has events after `event_id`."""
    return frozenset(session.scalars(select(EventRow.user_id).where(EventRow.id > event_id).distinct()))


def forget(session: Session, before: datetime.datetime) -> None:
    """Remove events that are older."""
    session.execute(delete(EventRow).where(EventRow.at < before))


def forget_progress(session: Session, job_id: str) -> None:
    """Remove the progress of a job that has ended: its state says it all."""
    session.execute(delete(EventRow).where(EventRow.job_id == job_id, EventRow.type == PROGRESS))
