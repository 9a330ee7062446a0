"""The photographs of image sets."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import PurePosixPath

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from e2e3d.pipeline.sources.source_set import mask_name
from e2e3d.service.accounts import quotas as usage
from e2e3d.service.image_sets.queries import row_of
from e2e3d.service.image_sets.records import Finding, PhotoFacts, PhotoRecord
from e2e3d.service.image_sets.tables import ImageSetRow, PhotoRow

_RENAMED = "The set has another photograph of the name {old}; this one is called {new}."


def add(
    session: Session,
    user_id: str,
    image_set_id: str,
    name: str,
    facts: PhotoFacts,
    now: datetime.datetime,
    may_repeat: bool = False,
) -> PhotoRecord | None:
    """Add a photograph to a set, or return the one with the same bytes that it has; None when there is no such set.

    A taken name gets a number, and the photograph a finding ``renamed``. With `may_repeat` only one with the same bytes
    and the same name counts: masks of different photographs may be the same picture.

    Raises:
        InputError: ``quota-bytes``.
    """
    row = row_of(session, user_id, image_set_id, lock=True)  # one at a time in a set
    if row is None:
        return None
    twin = with_bytes(session, image_set_id, facts.sha256, name if may_repeat else None)
    if twin is not None:
        return twin
    stored = 0 if facts.rejected else facts.bytes
    usage.charge(session, user_id, stored)
    free = _free_name(session, image_set_id, name)
    if free != name:
        facts = replace(
            facts, findings=(*facts.findings, Finding("renamed", _RENAMED.format(old=name, new=free), False))
        )
    last = session.scalar(select(func.max(PhotoRow.position)).where(PhotoRow.image_set_id == image_set_id))
    photo = PhotoRow(
        image_set_id=image_set_id,
        name=free,
        state=_state(facts),
        findings=[asdict(finding) for finding in facts.findings],
        position=0 if last is None else last + 1,
        created_at=now,
        **_measured(facts),
    )
    session.add(photo)
    row.photo_count += int(_counts(photo))
    row.bytes += stored
    row.updated_at = now
    session.flush()
    return _record(photo)


def with_bytes(session: Session, image_set_id: str, sha256: str, name: str | None = None) -> PhotoRecord | None:
    """The photograph of a set that has these bytes, and this name if one is given."""
    query = select(PhotoRow).where(PhotoRow.image_set_id == image_set_id, PhotoRow.sha256 == sha256)
    if name is not None:
        query = query.where(PhotoRow.name == name)
    row = session.scalars(query.order_by(PhotoRow.position).limit(1)).one_or_none()
    return None if row is None else _record(row)


def owned(session: Session, user_id: str, hashes: Collection[str]) -> dict[str, PhotoFacts]:
    """What is known of photographs with these SHA-256 that any set of the user holds."""
    query = (
        select(PhotoRow)
        .join(ImageSetRow, ImageSetRow.id == PhotoRow.image_set_id)
        .where(PhotoRow.sha256.in_(hashes), PhotoRow.state != "rejected", ImageSetRow.user_id == user_id)
    )
    found = {row.sha256: _record(row).facts for row in session.scalars(query)}
    return {
        sha256: replace(facts, findings=tuple(each for each in facts.findings if each.code != "renamed"))
        for sha256, facts in found.items()
    }


def listed(session: Session, image_set_id: str, limit: int, after: int | None = None) -> tuple[PhotoRecord, ...]:
    """The photographs of a set as they came, those after the position."""
    query = select(PhotoRow).where(PhotoRow.image_set_id == image_set_id)
    if after is not None:
        query = query.where(PhotoRow.position > after)
    return tuple(_record(row) for row in session.scalars(query.order_by(PhotoRow.position).limit(limit)))


def find(session: Session, image_set_id: str, photo_id: str) -> PhotoRecord | None:
    """A photograph of a set."""
    query = select(PhotoRow).where(PhotoRow.image_set_id == image_set_id, PhotoRow.id == photo_id)
    row = session.scalars(query).one_or_none()
    return None if row is None else _record(row)


def usual_sharpness(session: Session, image_set_id: str) -> tuple[tuple[float, float], ...]:
    """Sharpness and exposure of every usable photograph of a set, for their medians."""
    query = select(PhotoRow.sharpness, PhotoRow.exposure).where(
        PhotoRow.image_set_id == image_set_id, PhotoRow.state != "rejected", PhotoRow.sharpness.is_not(None)
    )
    return tuple((row.sharpness, row.exposure or 0.0) for row in session.execute(query))


def thumbprints(session: Session, image_set_id: str) -> tuple[tuple[str, str, float], ...]:
    """Name, thumbprint and exposure of every usable photograph of a set, as they came."""
    query = select(PhotoRow.name, PhotoRow.thumbprint, PhotoRow.exposure).where(
        PhotoRow.image_set_id == image_set_id, PhotoRow.state != "rejected", PhotoRow.thumbprint.is_not(None)
    )
    rows = session.execute(query.order_by(PhotoRow.position))
    return tuple((row.name, row.thumbprint, row.exposure or 0.0) for row in rows)


def remove(
    session: Session, user_id: str, image_set_id: str, photo_ids: Collection[str], now: datetime.datetime
) -> int | None:
    """Take photographs out of a set; those it does not have are passed over. None when there is no such set.

    Returns:
        how many went.
    """
    row = row_of(session, user_id, image_set_id, lock=True)
    if row is None:
        return None
    query = select(PhotoRow).where(PhotoRow.image_set_id == image_set_id, PhotoRow.id.in_(photo_ids))
    gone = session.scalars(query).all()
    for photo in gone:
        session.delete(photo)
    kept = [photo for photo in gone if photo.state != "rejected"]
    freed = sum(photo.bytes for photo in kept)
    row.photo_count -= sum(_counts(photo) for photo in gone)
    row.bytes -= freed
    row.updated_at = now
    usage.record(session, user_id, -freed)
    return len(gone)


def _counts(photo: PhotoRow) -> bool:
    """Whether jobs reconstruct from it: a mask belongs to its photograph, and is none itself."""
    return photo.state != "rejected" and mask_name(photo.name) is None


def _free_name(session: Session, image_set_id: str, name: str) -> str:
    taken = select(PhotoRow.id).where(PhotoRow.image_set_id == image_set_id)
    path, number, candidate = PurePosixPath(name), 1, name
    while session.scalar(taken.where(PhotoRow.name == candidate)) is not None:
        number += 1
        candidate = str(path.with_name(f"{path.stem[:200]}-{number}{path.suffix}"))
    return candidate


def _state(facts: PhotoFacts) -> str:
    if facts.rejected:
        return "rejected"
    return "warning" if facts.findings else "ok"


def _measured(facts: PhotoFacts) -> dict[str, object]:
    return {name: value for name, value in asdict(facts).items() if name != "findings"}


def _record(row: PhotoRow) -> PhotoRecord:
    facts = PhotoFacts(
        row.sha256,
        row.bytes,
        row.media_type or "",
        row.width_px,
        row.height_px,
        row.sharpness,
        row.exposure,
        row.thumbprint,
        tuple(Finding(**finding) for finding in row.findings),
    )
    return PhotoRecord(row.id, row.image_set_id, row.name, facts, row.state, row.position, row.created_at)
