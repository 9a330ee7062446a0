"""The files that jobs have made, as their owners see them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.results.records import ResultRecord
from e2e3d.service.results.tables import ResultRow


def listed(session: Session, job_id: str, limit: int, after: str | None = None) -> tuple[ResultRecord, ...]:
    """The results of a job by path, those after the path `after`."""
    query = select(ResultRow).where(ResultRow.job_id == job_id)
    if after is not None:
        query = query.where(ResultRow.path > after)
    return tuple(_record(row) for row in session.scalars(query.order_by(ResultRow.path).limit(limit)))


def chosen(session: Session, job_id: str, paths: Collection[str]) -> tuple[ResultRecord, ...]:
    """The results of a job that have these paths."""
    query = select(ResultRow).where(ResultRow.job_id == job_id, ResultRow.path.in_(paths))
    return tuple(_record(row) for row in session.scalars(query.order_by(ResultRow.path)))


def by_id(session: Session, result_id: str) -> ResultRecord | None:
    """A result of a job and a user that are not deleted, whosever it is: for those who hold a signed address."""
    query = select(ResultRow).join(JobRow, JobRow.id == ResultRow.job_id).join(UserRow, UserRow.id == JobRow.user_id)
    there = (ResultRow.id == result_id, JobRow.deleted_at.is_(None), UserRow.deleted_at.is_(None))
    row = session.scalars(query.where(*there)).one_or_none()
    return None if row is None else _record(row)


def _record(row: ResultRow) -> ResultRecord:
    return ResultRecord(row.id, row.job_id, row.path, row.media_type, row.bytes, row.sha256, row.key, row.created_at)
