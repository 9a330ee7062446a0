"""Whose job comes next: start-time fair queueing over users (Goyal, Vin, Cheng, SIGCOMM 1996).

Every queued job has a start tag, in seconds of service, and the job with the smallest one is claimed first. The tags of
one user's jobs follow each other at the distance of their forecast costs, so users take turns by time and not by how
much they submit; among the jobs of one user priority decides, and then age. A user who comes anew, or who was away,
begins at the virtual time, the largest tag of a job that was begun, and neither saves up service nor owes any.

The order is kept in the table, so a claim and a place in the queue are each one look at one index. What changes tags
holds the row of the user: lock the user first, then jobs.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.jobs.lifecycle import ACTIVE, State
from e2e3d.service.jobs.records import JobRecord
from e2e3d.service.jobs.tables import JobRow

ORDER = (JobRow.start_tag, JobRow.queued_at, JobRow.id)
"""The order in which queued jobs are claimed, and which users are shown."""

_OWN_ORDER = (JobRow.priority.desc(), JobRow.queued_at, JobRow.id)
_QUEUED = JobRow.state == State.QUEUED
_SAME_S = 1e-3  # sums of costs differ by rounding


def lock_user(session: Session, user_id: str) -> None:
    """Let nobody else change the tags of this user's jobs until the transaction ends."""
    session.execute(select(UserRow.id).where(UserRow.id == user_id).with_for_update(key_share=True))


def assign_tags(session: Session, user_id: str) -> None:
    """Give the queued jobs of a user their start tags, in the user's own order; the user is locked."""
    earlier_s = func.sum(JobRow.cost_s).over(order_by=_OWN_ORDER, rows=(None, -1))
    tag = _next_tag(session, user_id) + func.coalesce(earlier_s, 0.0)
    own = select(JobRow.id, tag.label("tag")).where(JobRow.user_id == user_id, _QUEUED).subquery()
    changes = update(JobRow).where(JobRow.id == own.c.id, func.abs(JobRow.start_tag - own.c.tag) > _SAME_S)
    session.execute(changes.values(start_tag=own.c.tag), execution_options={"synchronize_session": False})


def begun(session: Session, row: JobRow) -> None:
    """Write down that a job of a locked user is begun: the virtual time and the user's next tag go on."""
    user = session.get_one(UserRow, row.user_id, populate_existing=True)
    user.start_tag = max(user.start_tag, row.start_tag)
    user.finish_tag = max(user.finish_tag, row.start_tag + row.cost_s)


def ended(session: Session, row: JobRow, used_s: float) -> None:
    """Charge a locked user for `used_s` of service, in place of what the job that has ended was forecast to cost."""
    user = session.get_one(UserRow, row.user_id, populate_existing=True)
    user.finish_tag += used_s - row.cost_s
    session.flush()
    assign_tags(session, row.user_id)


def place(session: Session | Connection, job: JobRecord) -> int | None:
    """1 for the queued job that comes next; None when the job is not queued."""
    if job.state != State.QUEUED:
        return None
    return _count(session, tuple_(*ORDER) < (job.start_tag, job.queued_at, job.id)) + 1


def jobs_ahead(session: Session, user_id: str, priority: int) -> int:
    """How many queued jobs would come before a new one of this user and priority."""
    own_ahead = (JobRow.user_id == user_id, JobRow.priority >= priority)
    cost_s = session.scalar(select(func.coalesce(func.sum(JobRow.cost_s), 0.0)).where(_QUEUED, *own_ahead))
    tag = _next_tag(session, user_id) + float(cost_s or 0.0)
    return _count(session, *own_ahead) + _count(session, JobRow.user_id != user_id, JobRow.start_tag <= tag)


def length(session: Session) -> int:
    """How many jobs wait."""
    return _count(session)


def _count(session: Session | Connection, *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(JobRow).where(_QUEUED, *conditions)) or 0


def _next_tag(session: Session, user_id: str) -> float:
    """The tag of the user's first queued job."""
    finish_tag = session.scalar(select(UserRow.finish_tag).where(UserRow.id == user_id)) or 0.0
    return max(finish_tag, _virtual_time(session, user_id))


def _virtual_time(session: Session, user_id: str) -> float:
    """The largest tag that was begun; where nobody else waits or computes, everything old is settled."""
    active = or_(*(JobRow.state == state for state in sorted(ACTIVE)))
    others = session.scalar(select(JobRow.id).where(active, JobRow.user_id != user_id).limit(1))
    reached: Any = UserRow.finish_tag if others is None else UserRow.start_tag
    return session.scalar(select(func.max(reached))) or 0.0
