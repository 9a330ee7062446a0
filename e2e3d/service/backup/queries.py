"""Which objects of the store the database names, at one moment."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from e2e3d.service.backup.records import NamedObject
from e2e3d.service.image_sets.tables import BlobRow
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.results.tables import ResultRow
from e2e3d.service.uploads.tables import UploadRow
from e2e3d.storage.names import blob_name

_ROWS = 1000


def named_objects(session: Session) -> Iterator[NamedObject]:
    """Photographs, results, and pieces of uploads under way; artifacts are not among them: they are computed again.

    Bytes that are known to be lost are left out, as are results of deleted jobs, which the collector removes. Asked in
    pages, so that no transaction stays open while somebody copies for hours.
    """
    blobs = select(BlobRow.sha256, BlobRow.bytes).where(BlobRow.lost_at.is_(None))
    for sha256, size in _pages(session, blobs, BlobRow.sha256):
        yield NamedObject(blob_name(sha256), size, sha256)
    results = select(ResultRow.id, ResultRow.key, ResultRow.bytes, ResultRow.sha256)
    kept = results.join(JobRow, JobRow.id == ResultRow.job_id).where(JobRow.deleted_at.is_(None))
    for _, key, size, sha256 in _pages(session, kept, ResultRow.id):
        yield NamedObject(key, size, sha256)
    for _, parts in _pages(session, select(UploadRow.id, UploadRow.parts), UploadRow.id):
        for part in parts:
            yield NamedObject(part["name"], part["bytes"], None)


def _pages(
    session: Session, query: Select[*tuple[Any, ...]], key: InstrumentedAttribute[str]
) -> Iterator[tuple[Any, ...]]:
    """All rows of a query whose first column is `key`."""
    after = ""
    while rows := session.execute(query.where(key > after).order_by(key).limit(_ROWS)).all():
        yield from (tuple(row) for row in rows)
        after = rows[-1][0]


def begin_snapshot(session: Session) -> str:
    """Begin a transaction on PostgreSQL that sees one moment as long as it lasts; returns what pg_dump shares it by."""
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    session.execute(text("SET LOCAL statement_timeout = 0"))
    return str(session.scalar(text("SELECT pg_export_snapshot()")))


def revision(session: Session) -> str:
    """Which migration the tables are at."""
    return str(session.scalar(text("SELECT version_num FROM alembic_version")))


def expire_presigned(session: Session, now: datetime.datetime) -> int:
    """Give up uploads that clients were sending to S3 in parts, which a new bucket knows nothing of; returns how many.

    The collector removes their rows; the clients begin them again.
    """
    under_way = (UploadRow.kind == "presigned", UploadRow.state == "open")
    rows = session.scalars(update(UploadRow).where(*under_way).values(expires_at=now).returning(UploadRow.id))
    return len(rows.all())
