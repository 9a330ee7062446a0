"""Bytes of photographs that the store keeps once, and who needs them.

The rule that lets uploads and the collector run at the same time: whoever wants bytes to be there first writes "used
now" into their row (:func:`pin`), and looks into the store after that is committed. The collector holds the row locked
while it removes the bytes, and only takes rows that nobody has used for a while (:func:`remove_unused`).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from e2e3d.service.image_sets.tables import BlobRow, PhotoRow
from e2e3d.service.jobs.tables import JobArtifactRow, JobInputRow, JobRow


def pin(session: Session, sha256: str, count: int, now: datetime.datetime) -> bool:
    """Say that these bytes are about to be used; False when they are known to be lost.

    Look whether the store has them only after the commit.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new = dialect.insert(BlobRow).values(sha256=sha256, bytes=count, created_at=now, last_used_at=now)
    pinned = new.on_conflict_do_update(index_elements=["sha256"], set_={"last_used_at": now})
    return session.scalars(pinned.returning(BlobRow.lost_at)).one() is None


def mark_lost(session: Session, hashes: Collection[str], seen_at: datetime.datetime) -> None:
    """Note that the store had these bytes no more, or others in their place, at `seen_at`.

    Bytes that were used since are passed over: whoever uses them looks into the store, and may have written them again.
    """
    unused = (BlobRow.sha256.in_(hashes), BlobRow.last_used_at < seen_at)
    session.execute(update(BlobRow).where(*unused).values(lost_at=seen_at))


def mark_whole(session: Session, hashes: Collection[str]) -> None:
    """Note that the store has these bytes (again)."""
    lost = (BlobRow.sha256.in_(hashes), BlobRow.lost_at.is_not(None))
    session.execute(update(BlobRow).where(*lost).values(lost_at=None))


def adopt(session: Session, sha256: str, count: int, at: datetime.datetime) -> None:
    """Take charge of bytes that the engine stored by itself, such as a mask; nothing happens when they are known."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new = dialect.insert(BlobRow).values(sha256=sha256, bytes=count, created_at=at, last_used_at=at)
    session.execute(new.on_conflict_do_nothing())


def known(session: Session, hashes: Collection[str]) -> set[str]:
    """Which of these the database knows."""
    return set(session.scalars(select(BlobRow.sha256).where(BlobRow.sha256.in_(hashes))))


@dataclass(frozen=True)
class KnownBlob:
    """Bytes as the database knows them: their length, and whether they are known to be lost."""

    bytes: int
    lost: bool


def touch(session: Session, hashes: Collection[str], now: datetime.datetime) -> dict[str, KnownBlob]:
    """Say that stored bytes are used; returns what the database knows, by hash. For a job's photographs."""
    found: dict[str, KnownBlob] = {}
    ordered = sorted(set(hashes))  # in one order, so that transactions cannot wait for each other in a ring
    for start in range(0, len(ordered), 500):
        these = BlobRow.sha256.in_(ordered[start : start + 500])
        columns = (BlobRow.sha256, BlobRow.bytes, BlobRow.lost_at)
        locked = select(*columns).where(these).order_by(BlobRow.sha256).with_for_update()
        found.update({row.sha256: KnownBlob(row.bytes, row.lost_at is not None) for row in session.execute(locked)})
        session.execute(update(BlobRow).where(these).values(last_used_at=now))
    return found


def unused(session: Session, before: datetime.datetime, now: datetime.datetime, limit: int) -> tuple[str, ...]:
    """Bytes that nobody needs and nobody has used since `before`."""
    query = select(BlobRow.sha256).where(BlobRow.last_used_at < before, *_needed_by_nobody(now))
    return tuple(session.scalars(query.order_by(BlobRow.last_used_at).limit(limit)))


def remove_unused(
    session: Session, sha256: str, before: datetime.datetime, now: datetime.datetime, remove: Callable[[], None]
) -> int | None:
    """Remove bytes if they are still unused: calls `remove` while their row is locked, then forgets them.

    Returns:
        their length, None when somebody needs them after all.
    """
    row = session.scalars(select(BlobRow).where(BlobRow.sha256 == sha256).with_for_update()).one_or_none()
    if row is None or row.last_used_at >= before:
        return None
    # Asked again now that the row is locked: before that, somebody may have begun to use it.
    free = select(BlobRow.sha256).where(BlobRow.sha256 == sha256, *_needed_by_nobody(now))
    if session.scalar(free) is None:
        return None
    remove()
    count = row.bytes
    session.delete(row)
    session.flush()
    return count


def live_job(now: datetime.datetime) -> ColumnElement[bool]:
    """Whether a job may still run or be run again: unfinished, or neither deleted nor past its retention."""
    unfinished = JobRow.state.in_(("queued", "running"))
    kept = or_(JobRow.expires_at.is_(None), JobRow.expires_at > now)
    return or_(unfinished, kept & JobRow.deleted_at.is_(None))


def _needed_by_nobody(now: datetime.datetime) -> tuple[ColumnElement[bool], ...]:
    live = live_job(now)
    in_set = select(PhotoRow.id).where(PhotoRow.sha256 == BlobRow.sha256)
    in_job = select(JobInputRow.job_id).join(JobRow, JobRow.id == JobInputRow.job_id)
    of_engine = select(JobArtifactRow.job_id).join(JobRow, JobRow.id == JobArtifactRow.job_id)
    return (
        ~in_set.exists(),
        ~in_job.where(JobInputRow.sha256 == BlobRow.sha256, live).exists(),
        ~of_engine.where(JobArtifactRow.key == literal("blob/") + BlobRow.sha256, live).exists(),
    )
