"""What the collector asks: which results, and which artifacts of the engine, no job needs any more."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Sequence

from sqlalchemy import delete, or_, select, text
from sqlalchemy.orm import Session

from e2e3d.service.accounts import quotas as usage
from e2e3d.service.image_sets.blob_queries import live_job
from e2e3d.service.jobs.tables import JobArtifactRow, JobRow
from e2e3d.service.results.tables import ResultRow

_FINISHED = ("succeeded", "failed", "cancelled")


def jobs_with_old_results(session: Session, now: datetime.datetime, limit: int) -> tuple[str, ...]:
    """Finished jobs that still have results, but were deleted or are past their retention."""
    gone = or_(JobRow.deleted_at.is_not(None), JobRow.expires_at <= now)
    has_results = select(ResultRow.id).where(ResultRow.job_id == JobRow.id).exists()
    query = select(JobRow.id).where(JobRow.state.in_(_FINISHED), gone, has_results)
    return tuple(session.scalars(query.limit(limit)))


def forget_results(session: Session, job_id: str) -> int:
    """Forget the results of a finished job, and give their bytes back to the user's quota; returns the bytes.

    Jobs that run again in the meantime keep theirs.
    """
    query = select(JobRow).where(JobRow.id == job_id, JobRow.state.in_(_FINISHED))
    job = session.scalars(query.with_for_update()).one_or_none()
    if job is None:
        return 0
    count, job.result_bytes = job.result_bytes, 0
    usage.record(session, job.user_id, -count)
    session.execute(delete(ResultRow).where(ResultRow.job_id == job_id))
    return count


def result_keys(session: Session, job_ids: Collection[str]) -> dict[str, set[str]]:
    """Which files are the results of each job; none for jobs that never were, and no entry for unfinished ones."""
    active = select(JobRow.id).where(JobRow.id.in_(job_ids), JobRow.state.not_in(_FINISHED))
    keys: dict[str, set[str]] = {job_id: set() for job_id in set(job_ids) - set(session.scalars(active))}
    for job_id, key in session.execute(select(ResultRow.job_id, ResultRow.key).where(ResultRow.job_id.in_(keys))):
        keys[job_id].add(key)
    return keys


def remove_artifacts(
    session: Session, keys: Sequence[str], now: datetime.datetime, remove: Callable[[str], None]
) -> list[str]:
    """Remove those artifacts that no live job uses; returns them.

    Jobs write the key into ``job_artifacts`` before they look for the artifact. While the table is locked none can, so
    an artifact is either seen as used here, or found missing there and computed again.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE job_artifacts IN SHARE ROW EXCLUSIVE MODE"))
    used = used_artifacts(session, keys, now)
    free = [key for key in keys if key not in used]
    for key in free:
        remove(key)
    session.execute(delete(JobArtifactRow).where(JobArtifactRow.key.in_(free)))
    return free


def used_artifacts(session: Session, keys: Sequence[str], now: datetime.datetime) -> set[str]:
    """Which of these artifacts live jobs use."""
    query = select(JobArtifactRow.key).join(JobRow, JobRow.id == JobArtifactRow.job_id)
    return set(session.scalars(query.where(JobArtifactRow.key.in_(keys), live_job(now)).distinct()))
