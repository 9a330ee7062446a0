"""What is shared, as owners see it, and as those see it who have an address."""

from __future__ import annotations

import datetime

from sqlalchemy import delete, func, or_, select, tuple_
from sqlalchemy.orm import Session

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.sharing.records import ShareRecord
from e2e3d.service.sharing.tables import ShareRow


def add(
    session: Session,
    job_id: str,
    password_hash: str | None,
    now: datetime.datetime,
    expires_at: datetime.datetime | None,
) -> ShareRecord:
    """Share the model of a job."""
    row = ShareRow(job_id=job_id, password_hash=password_hash, created_at=now, expires_at=expires_at)
    session.add(row)
    session.flush()
    return _record(row)


def count(session: Session, job_id: str) -> int:
    """How many addresses a job has, expired ones too."""
    return session.scalar(select(func.count()).select_from(ShareRow).where(ShareRow.job_id == job_id)) or 0


def listed(
    session: Session, job_id: str, limit: int, before: tuple[datetime.datetime, str] | None = None
) -> tuple[ShareRecord, ...]:
    """The addresses of a job, the newest first."""
    query = select(ShareRow).where(ShareRow.job_id == job_id)
    if before is not None:
        query = query.where(tuple_(ShareRow.created_at, ShareRow.id) < before)
    rows = session.scalars(query.order_by(ShareRow.created_at.desc(), ShareRow.id.desc()).limit(limit))
    return tuple(_record(row) for row in rows)


def withdraw(session: Session, user_id: str, share_id: str) -> str | None:
    """Remove an address of this user; returns its job, None when the user has no such address."""
    mine = select(JobRow.id).where(JobRow.user_id == user_id, JobRow.deleted_at.is_(None))
    gone = delete(ShareRow).where(ShareRow.id == share_id, ShareRow.job_id.in_(mine)).returning(ShareRow.job_id)
    return session.scalar(gone)


def current(session: Session, share_id: str, now: datetime.datetime) -> ShareRecord | None:
    """An address that works now, whosever it is; its job is not deleted, nor is its user deleted or disabled."""
    query = select(ShareRow).join(JobRow, JobRow.id == ShareRow.job_id).join(UserRow, UserRow.id == JobRow.user_id)
    there = (JobRow.deleted_at.is_(None), UserRow.deleted_at.is_(None), UserRow.disabled.is_(False))
    lasting = or_(ShareRow.expires_at.is_(None), ShareRow.expires_at > now)
    row = session.scalar(query.where(ShareRow.id == share_id, lasting, *there))
    return None if row is None else _record(row)


def _record(row: ShareRow) -> ShareRecord:
    return ShareRecord(row.id, row.job_id, row.password_hash, row.created_at, row.expires_at)
