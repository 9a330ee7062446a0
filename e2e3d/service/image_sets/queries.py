"""Image sets."""

from __future__ import annotations

import datetime

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from e2e3d.service.accounts import quotas as usage
from e2e3d.service.database.name_search import name_contains
from e2e3d.service.image_sets.records import ImageSetRecord
from e2e3d.service.image_sets.tables import ImageSetRow, PhotoRow
from e2e3d.service.uploads.tables import UploadRow

Position = tuple[datetime.datetime, str]


def create(session: Session, user_id: str, name: str, now: datetime.datetime) -> ImageSetRecord:
    """Make an empty set."""
    row = ImageSetRow(user_id=user_id, name=name, photo_count=0, bytes=0, created_at=now, updated_at=now)
    session.add(row)
    session.flush()
    return _record(row)


def find(session: Session, user_id: str, image_set_id: str) -> ImageSetRecord | None:
    """A set of this user."""
    row = row_of(session, user_id, image_set_id)
    return None if row is None else _record(row)


def listed(
    session: Session, user_id: str, limit: int, after: Position | None = None, text: str | None = None
) -> tuple[ImageSetRecord, ...]:
    """The sets of a user whose name contains `text`, newest first, those after the position (created_at, id)."""
    query = select(ImageSetRow).where(ImageSetRow.user_id == user_id, ImageSetRow.deleted_at.is_(None))
    if text:
        query = query.where(name_contains(ImageSetRow.name, text))
    if after is not None:
        query = query.where(tuple_(ImageSetRow.created_at, ImageSetRow.id) < tuple_(*after))
    rows = session.scalars(query.order_by(ImageSetRow.created_at.desc(), ImageSetRow.id.desc()).limit(limit))
    return tuple(_record(row) for row in rows)


def rename(
    session: Session, user_id: str, image_set_id: str, name: str, now: datetime.datetime
) -> ImageSetRecord | None:
    """Give a set another name."""
    row = row_of(session, user_id, image_set_id, lock=True)
    if row is None:
        return None
    row.name, row.updated_at = name, now
    session.flush()
    return _record(row)


def delete(session: Session, user_id: str, image_set_id: str, now: datetime.datetime) -> bool:
    """Remove a set and its photographs; jobs keep the photographs they were made from. False when there is none."""
    row = row_of(session, user_id, image_set_id, lock=True)
    if row is None:
        return False
    row.deleted_at = now
    usage.record(session, user_id, -row.bytes)
    for photo in session.scalars(select(PhotoRow).where(PhotoRow.image_set_id == image_set_id)):
        session.delete(photo)
    ended = {"expires_at": now, "state": "failed"}
    unfinished = UploadRow.state.in_(("open", "arrived", "importing"))
    session.execute(update(UploadRow).where(UploadRow.image_set_id == image_set_id, unfinished).values(ended))
    row.photo_count, row.bytes = 0, 0
    return True


def row_of(session: Session, user_id: str, image_set_id: str, lock: bool = False) -> ImageSetRow | None:
    """The row of a set that is not deleted; `lock` makes others that change the set wait."""
    query = select(ImageSetRow).where(
        ImageSetRow.id == image_set_id, ImageSetRow.user_id == user_id, ImageSetRow.deleted_at.is_(None)
    )
    return session.scalars(query.with_for_update() if lock else query).one_or_none()


def _record(row: ImageSetRow) -> ImageSetRecord:
    return ImageSetRecord(row.id, row.user_id, row.name, row.photo_count, row.bytes, row.created_at, row.updated_at)
