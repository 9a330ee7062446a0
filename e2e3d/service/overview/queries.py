"""Jobs of all users, and who they are."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.jobs.queries import Position, record
from e2e3d.service.jobs.records import JobRecord
from e2e3d.service.jobs.tables import JobRow


def jobs_of_all(
    session: Session, states: Collection[str], user_id: str | None, limit: int, after: Position | None
) -> tuple[tuple[JobRecord, str], ...]:
    """Jobs with the email addresses of their users, newest first; in `states` and of `user_id` where given."""
    query = select(JobRow, UserRow.email).join(UserRow, UserRow.id == JobRow.user_id).where(JobRow.deleted_at.is_(None))
    if states:
        query = query.where(JobRow.state.in_(states))
    if user_id is not None:
        query = query.where(JobRow.user_id == user_id)
    if after is not None:
        query = query.where(tuple_(JobRow.created_at, JobRow.id) < after)
    rows = session.execute(query.order_by(JobRow.created_at.desc(), JobRow.id.desc()).limit(limit))
    return tuple((record(row), email) for row, email in rows)


def emails_of(session: Session, user_ids: Collection[str]) -> dict[str, str]:
    """The email addresses of users by id."""
    rows = session.execute(select(UserRow.id, UserRow.email).where(UserRow.id.in_(user_ids)))
    return {row.id: row.email for row in rows}
