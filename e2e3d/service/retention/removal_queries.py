"""Users whose time has come: what they own is removed piece by piece, and the account last."""

from __future__ import annotations

import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.image_sets.tables import ImageSetRow
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.uploads.tables import UploadRow


def due_users(session: Session, now: datetime.datetime, limit: int) -> tuple[str, ...]:
    """Deleted users that can be restored no more."""
    query = select(UserRow.id).where(UserRow.purge_at <= now).order_by(UserRow.purge_at)
    return tuple(session.scalars(query.limit(limit)))


def jobs_of(session: Session, user_id: str, limit: int) -> tuple[str, ...]:
    """Jobs of a user, deleted ones too."""
    return tuple(session.scalars(select(JobRow.id).where(JobRow.user_id == user_id).limit(limit)))


def uploads_of(session: Session, user_id: str, limit: int) -> tuple[str, ...]:
    """Uploads of a user."""
    return tuple(session.scalars(select(UploadRow.id).where(UploadRow.user_id == user_id).limit(limit)))


def sets_of(session: Session, user_id: str, limit: int) -> tuple[str, ...]:
    """Image sets of a user, deleted ones too."""
    return tuple(session.scalars(select(ImageSetRow.id).where(ImageSetRow.user_id == user_id).limit(limit)))


def remove_job(session: Session, job_id: str) -> None:
    """Remove a job with its log, events, stages and list of results."""
    session.execute(delete(JobRow).where(JobRow.id == job_id))


def remove_set(session: Session, image_set_id: str) -> None:
    """Remove an image set with its photographs; their bytes are left to the collector."""
    session.execute(delete(ImageSetRow).where(ImageSetRow.id == image_set_id))


def remove_user(session: Session, user_id: str, now: datetime.datetime) -> bool:
    """Remove an account that is due, with its keys, logins and webhooks; False when it is not due."""
    due = (UserRow.id == user_id, UserRow.purge_at <= now)
    return session.scalar(delete(UserRow).where(*due).returning(UserRow.id)) is not None
