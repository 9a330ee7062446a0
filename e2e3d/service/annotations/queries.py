"""Annotations of the models of a user."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.orm import Session

from e2e3d.service.annotations.records import AnnotationRecord
from e2e3d.service.annotations.tables import AnnotationRow
from e2e3d.service.jobs.tables import JobRow


def add(
    session: Session, job_id: str, title: str, text: str, position_world: Sequence[float], now: datetime.datetime
) -> AnnotationRecord:
    """Annotate the model of a job."""
    row = AnnotationRow(job_id=job_id, title=title, text=text, created_at=now, **_coordinates(position_world))
    session.add(row)
    session.flush()
    return _record(row)


def count(session: Session, job_id: str) -> int:
    """How many annotations a job has."""
    return session.scalar(select(func.count()).select_from(AnnotationRow).where(AnnotationRow.job_id == job_id)) or 0


def listed(
    session: Session, job_id: str, limit: int, after: tuple[datetime.datetime, str] | None = None
) -> tuple[AnnotationRecord, ...]:
    """The annotations of a job, the oldest first."""
    query = select(AnnotationRow).where(AnnotationRow.job_id == job_id)
    if after is not None:
        query = query.where(tuple_(AnnotationRow.created_at, AnnotationRow.id) > after)
    rows = session.scalars(query.order_by(AnnotationRow.created_at, AnnotationRow.id).limit(limit))
    return tuple(_record(row) for row in rows)


def change(
    session: Session,
    user_id: str,
    annotation_id: str,
    title: str | None,
    text: str | None,
    position_world: Sequence[float] | None,
) -> AnnotationRecord | None:
    """Change an annotation of this user, where something is not None; None when the user has no such annotation."""
    given = {"title": title, "text": text} | (_coordinates(position_world) if position_world else {})
    values = {name: value for name, value in given.items() if value is not None}
    if values:
        session.execute(update(AnnotationRow).where(*_of(user_id, annotation_id)).values(**values))
    row = session.scalar(select(AnnotationRow).where(*_of(user_id, annotation_id)))
    return None if row is None else _record(row)


def remove(session: Session, user_id: str, annotation_id: str) -> bool:
    """Remove an annotation of this user; whether there was one."""
    gone = delete(AnnotationRow).where(*_of(user_id, annotation_id)).returning(AnnotationRow.id)
    return session.scalar(gone) is not None


def _of(user_id: str, annotation_id: str) -> tuple[Any, ...]:
    mine = select(JobRow.id).where(JobRow.user_id == user_id, JobRow.deleted_at.is_(None))
    return AnnotationRow.id == annotation_id, AnnotationRow.job_id.in_(mine)


def _coordinates(position_world: Sequence[float]) -> dict[str, float]:
    return dict(zip("xyz", position_world, strict=True))


def _record(row: AnnotationRow) -> AnnotationRecord:
    return AnnotationRecord(row.id, row.job_id, row.title, row.text, (row.x, row.y, row.z), row.created_at)
