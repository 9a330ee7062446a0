"""Uploads under way: what has arrived of them, and how far their photographs have been taken in."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from e2e3d.errors import InputError
from e2e3d.service.accounts import quotas as usage
from e2e3d.service.image_sets.records import Arrival, Finding
from e2e3d.service.uploads.records import ImportProgress, UploadPart, UploadRecord
from e2e3d.service.uploads.tables import UNFINISHED, UploadRow

Position = tuple[datetime.datetime, str]

MAX_UNFINISHED = 1000
"""Uploads of one user that have begun, and are not taken in yet."""

MAX_PIECES = 10_000
"""In which an upload may arrive, beside one for every megabyte: each is an object of the store, named in the row."""

LEASE_S = 60.0
"""An import that has not reported for so long is taken up by another process."""


def create(
    session: Session,
    user_id: str,
    image_set_id: str,
    kind: str,
    name: str,
    size_bytes: int | None,
    expires_at: datetime.datetime,
    now: datetime.datetime,
    *,
    tus_metadata: str = "",
    state: str = "open",
) -> UploadRecord:
    """Begin an upload.

    Raises:
        InputError: ``quota-bytes``, ``too-many-uploads``.
    """
    usage.require(session, user_id, size_bytes or 0)
    mine = select(func.count()).where(UploadRow.user_id == user_id, UploadRow.state.in_(UNFINISHED))
    if (session.scalar(mine) or 0) >= MAX_UNFINISHED:
        raise InputError(
            "too-many-uploads",
            f"{MAX_UNFINISHED} uploads of yours have not ended.",
            "Wait for them, finish or discard some.",
        )
    row = UploadRow(
        user_id=user_id,
        image_set_id=image_set_id,
        kind=kind,
        name=name,
        size_bytes=size_bytes,
        offset_bytes=0,
        state=state,
        parts=[],
        details={"tus_metadata": tus_metadata},
        expires_at=expires_at,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    return _record(row)


def find(session: Session, user_id: str, upload_id: str) -> UploadRecord | None:
    """An upload of this user."""
    row = session.scalars(
        select(UploadRow).where(UploadRow.id == upload_id, UploadRow.user_id == user_id)
    ).one_or_none()
    return None if row is None else _record(row)


def listed(
    session: Session, user_id: str, image_set_id: str, limit: int, after: Position | None = None
) -> tuple[UploadRecord, ...]:
    """The uploads into a set, newest first, those after the position (created_at, id)."""
    query = select(UploadRow).where(UploadRow.image_set_id == image_set_id, UploadRow.user_id == user_id)
    if after is not None:
        query = query.where(tuple_(UploadRow.created_at, UploadRow.id) < tuple_(*after))
    rows = session.scalars(query.order_by(UploadRow.created_at.desc(), UploadRow.id.desc()).limit(limit))
    return tuple(_record(row) for row in rows)


def advance(
    session: Session, upload_id: str, offset_bytes: int, parts: tuple[UploadPart, ...], now: datetime.datetime
) -> bool:
    """Add what arrived at `offset_bytes`; False when something else arrived there first, or the upload has ended.

    Raises:
        InputError: ``upload-pieces`` when it came in too many.
    """
    query = select(UploadRow).where(
        UploadRow.id == upload_id, UploadRow.offset_bytes == offset_bytes, UploadRow.state == "open"
    )
    row = session.scalars(query.with_for_update()).one_or_none()
    if row is None:
        return False
    if len(row.parts) + len(parts) > MAX_PIECES + row.offset_bytes // 1_000_000:
        raise InputError(
            "upload-pieces",
            f"The upload has arrived in more than {MAX_PIECES} pieces.",
            "Begin it again, and send a megabyte or more at once.",
        )
    row.parts = [*row.parts, *(asdict(part) for part in parts)]
    row.offset_bytes += sum(part.bytes for part in parts)
    row.updated_at = now
    session.flush()
    return True


def set_multipart(session: Session, upload_id: str, multipart_id: str) -> None:
    """Remember the id that S3 gave."""
    session.execute(update(UploadRow).where(UploadRow.id == upload_id).values(s3_upload_id=multipart_id))


def set_size(session: Session, upload_id: str, size_bytes: int) -> None:
    """Say how long the upload is, once that is known."""
    session.execute(update(UploadRow).where(UploadRow.id == upload_id).values(size_bytes=size_bytes))


def begin_import(session: Session, upload_id: str) -> bool:
    """Declare that everything has arrived; False unless it was open. The first :func:`claim_import` gets it."""
    done = session.execute(
        update(UploadRow).where(UploadRow.id == upload_id, UploadRow.state == "open").values(state="arrived")
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def claim_import(session: Session, upload_id: str, now: datetime.datetime) -> UploadRecord | None:
    """Take up an import that nobody works at; its `updated_at` is the token for :func:`save_import`."""
    query = select(UploadRow).where(UploadRow.id == upload_id, _waiting(now))
    row = session.scalars(query.with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return None
    row.state, row.updated_at = "importing", now
    session.flush()
    return _record(row)


def waiting_imports(session: Session, now: datetime.datetime) -> tuple[tuple[str, str], ...]:
    """User and id of the imports that nobody works at, the oldest first."""
    query = select(UploadRow.user_id, UploadRow.id).where(_waiting(now)).order_by(UploadRow.created_at, UploadRow.id)
    return tuple((row.user_id, row.id) for row in session.execute(query))


def _waiting(now: datetime.datetime) -> ColumnElement[bool]:
    stale = UploadRow.updated_at < now - datetime.timedelta(seconds=LEASE_S)
    return or_(UploadRow.state == "arrived", and_(UploadRow.state == "importing", stale))


def save_import(
    session: Session,
    upload_id: str,
    token: datetime.datetime,
    progress: ImportProgress,
    state: str,
    now: datetime.datetime,
) -> bool:
    """Report progress; False when another process has taken the import up, or it has been ended."""
    query = select(UploadRow).where(
        UploadRow.id == upload_id, UploadRow.state == "importing", UploadRow.updated_at == token
    )
    row = session.scalars(query.with_for_update()).one_or_none()
    if row is None:
        return False
    row.details = {**row.details, "progress": _progress_json(progress)}
    row.state, row.updated_at = state, now
    session.flush()
    return True


def forget_parts(session: Session, upload_id: str) -> None:
    """Note that the bytes of a finished upload have been removed from the store."""
    session.execute(update(UploadRow).where(UploadRow.id == upload_id).values(parts=[]))


def delete(session: Session, upload_id: str) -> None:
    """Remove an upload's row."""
    row = session.get(UploadRow, upload_id)
    if row is not None:
        session.delete(row)


def expired(session: Session, now: datetime.datetime, limit: int) -> tuple[UploadRecord, ...]:
    """Uploads that nobody will go on with."""
    query = select(UploadRow).where(UploadRow.expires_at < now).order_by(UploadRow.expires_at)
    return tuple(_record(row) for row in session.scalars(query.limit(limit)))


def existing(session: Session, upload_ids: Collection[str]) -> set[str]:
    """Which of these uploads there are."""
    return set(session.scalars(select(UploadRow.id).where(UploadRow.id.in_(upload_ids))))


def _progress_json(progress: ImportProgress) -> dict[str, Any]:
    remarks = [
        {"name": each.name, "outcome": each.outcome, "findings": [asdict(finding) for finding in each.findings]}
        for each in progress.remarks
    ]
    return {**asdict(progress), "remarks": remarks}


def _progress(found: dict[str, Any]) -> ImportProgress:
    remarks = tuple(
        Arrival(each["name"], each["outcome"], None, tuple(Finding(**finding) for finding in each["findings"]))
        for each in found.get("remarks", ())
    )
    return ImportProgress(**{**found, "remarks": remarks})


def _record(row: UploadRow) -> UploadRecord:
    return UploadRecord(
        row.id,
        row.user_id,
        row.image_set_id,
        row.kind,
        row.name,
        row.size_bytes,
        row.offset_bytes,
        "importing" if row.state == "arrived" else row.state,
        tuple(UploadPart(**part) for part in row.parts),
        row.s3_upload_id,
        str(row.details.get("tus_metadata", "")),
        _progress(row.details.get("progress", {})),
        row.expires_at,
        row.created_at,
        row.updated_at,
    )
