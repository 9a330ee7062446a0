"""What the database says the store has: asked in batches by whoever compares the two."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.image_sets.blob_queries import live_job
from e2e3d.service.image_sets.tables import BlobRow, ImageSetRow, PhotoRow
from e2e3d.service.jobs.tables import JobInputRow, JobRow
from e2e3d.service.results.tables import ResultRow
from e2e3d.service.verification.records import LostFile, StoredFile


def blobs(session: Session, limit: int, after: str = "") -> tuple[StoredFile, ...]:
    """Bytes of photographs in the order of their hashes, those that follow `after`."""
    query = select(BlobRow.sha256, BlobRow.bytes).where(BlobRow.sha256 > after).order_by(BlobRow.sha256).limit(limit)
    return tuple(StoredFile(row.sha256, row.bytes, row.sha256) for row in session.execute(query))


def results(session: Session, limit: int, after: str = "") -> tuple[tuple[str, StoredFile], ...]:
    """Results of jobs that are not deleted, with the id of each, in the order of ids, those that follow `after`."""
    query = select(ResultRow).join(JobRow, JobRow.id == ResultRow.job_id)
    rows = session.scalars(
        query.where(ResultRow.id > after, JobRow.deleted_at.is_(None)).order_by(ResultRow.id).limit(limit)
    )
    return tuple((row.id, StoredFile(row.key, row.bytes, row.sha256)) for row in rows)


def users_of_blobs(session: Session, problems: Mapping[str, str], now: datetime.datetime) -> tuple[LostFile, ...]:
    """Photographs of image sets, and of jobs that may run or be retried, whose bytes have these problems, by hash."""
    in_sets = (
        select(PhotoRow.image_set_id, UserRow.email, PhotoRow.name, PhotoRow.sha256)
        .join(ImageSetRow, ImageSetRow.id == PhotoRow.image_set_id)
        .join(UserRow, UserRow.id == ImageSetRow.user_id)
        .where(PhotoRow.sha256.in_(problems), PhotoRow.state != "rejected")
    )
    in_jobs = (
        select(JobInputRow.job_id, UserRow.email, JobInputRow.name, JobInputRow.sha256)
        .join(JobRow, JobRow.id == JobInputRow.job_id)
        .join(UserRow, UserRow.id == JobRow.user_id)
        .where(JobInputRow.sha256.in_(problems), live_job(now))
    )
    found = [LostFile("photograph", *row, problems[row.sha256]) for row in session.execute(in_sets)]
    found += [LostFile("job-input", *row, problems[row.sha256]) for row in session.execute(in_jobs)]
    return tuple(found)


def owners_of_results(session: Session, problems: Mapping[str, str]) -> tuple[LostFile, ...]:
    """Results that have these problems, by id."""
    query = (
        select(ResultRow.job_id, UserRow.email, ResultRow.path, ResultRow.sha256, ResultRow.id)
        .join(JobRow, JobRow.id == ResultRow.job_id)
        .join(UserRow, UserRow.id == JobRow.user_id)
        .where(ResultRow.id.in_(problems))
    )
    return tuple(LostFile("result", *row[:4], problems[row.id]) for row in session.execute(query))


def unknown_inputs(session: Session, now: datetime.datetime) -> set[str]:
    """Hashes of photographs that are needed, but that the table of bytes does not have at all."""
    photos = select(PhotoRow.sha256).where(PhotoRow.state != "rejected")
    inputs = select(JobInputRow.sha256).join(JobRow, JobRow.id == JobInputRow.job_id).where(live_job(now))
    known = select(BlobRow.sha256)
    return {
        *session.scalars(photos.where(~known.where(BlobRow.sha256 == PhotoRow.sha256).exists())),
        *session.scalars(inputs.where(~known.where(BlobRow.sha256 == JobInputRow.sha256).exists())),
    }
