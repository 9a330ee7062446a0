"""Jobs as runners see them: claimed with a lease, renewed, written to behind a fence, and given back."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from e2e3d.data.judgement import Judgement
from e2e3d.data.service.jobs import Fence, JobRecord, NewResult, ProgressUpdate
from e2e3d.data.service.lifecycle import Happening, State, attempts_after, next_state
from e2e3d.data.stats import StageStats
from e2e3d.errors import E2E3DError, MachineError
from e2e3d.storage.database.models import JobArtifactRow, JobRow, JobStageRow, ResultRow, UserRow
from e2e3d.storage.database.repository import events, jobs, usage

_ARTIFACTS_A_STATEMENT = 500
# A claim runs these, so they are built once.
_QUEUED = select(JobRow.id).where(JobRow.state == State.QUEUED).limit(1)
_NEXT = (
    select(JobRow)
    .where(JobRow.state == State.QUEUED)
    .order_by(JobRow.priority.desc(), JobRow.queued_at, JobRow.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_QUOTA = (  # locked; events may refer to the row meanwhile
    select(UserRow.quota_jobs).where(UserRow.id == bindparam("user_id")).with_for_update(key_share=True)
)
_RUNNING = select(func.count()).where(JobRow.user_id == bindparam("user_id"), JobRow.state == State.RUNNING)
_USERS_AT_THEIR_QUOTA = (
    select(JobRow.user_id)
    .join(UserRow, UserRow.id == JobRow.user_id)
    .where(JobRow.state == State.RUNNING)
    .group_by(JobRow.user_id, UserRow.quota_jobs)
    .having(func.count() >= UserRow.quota_jobs)
)


def claim(session: Session, owner: str, now: datetime.datetime, lease_s: float) -> JobRecord | None:
    """Take the queued job that comes next, unless its user has as many running as the quota allows.

    Runners never wait for each other: PostgreSQL skips rows that are being claimed, and on SQLite the transaction that
    may write is the only one. A user's row is locked while the user's running jobs are counted, so that two runners
    together do not exceed the quota.
    """
    excluded = list(session.scalars(_USERS_AT_THEIR_QUOTA))
    while True:
        row = _next_queued(session, excluded)
        if row is None:
            return None
        user = {"user_id": row.user_id}
        quota = session.scalar(_QUOTA, user) or 0
        if (session.scalar(_RUNNING, user) or 0) < quota:
            return _begin(session, row, owner, now, lease_s)
        excluded.append(row.user_id)


def any_queued(connection: Connection) -> bool:
    """Whether a claim is worth a transaction."""
    return connection.scalar(_QUEUED) is not None


def cancelled(session: Session, fences: Sequence[Fence]) -> frozenset[str]:
    """Which of the running jobs somebody wants cancelled."""
    ids = [fence.job_id for fence in fences]
    query = select(JobRow.id).where(JobRow.id.in_(ids), JobRow.cancel_requested_at.is_not(None))
    return frozenset(session.scalars(query))


def _next_queued(session: Session, excluded: Sequence[str]) -> JobRow | None:
    query = _NEXT.where(JobRow.user_id.not_in(excluded)) if excluded else _NEXT
    return session.scalars(query).one_or_none()


def _begin(session: Session, row: JobRow, owner: str, now: datetime.datetime, lease_s: float) -> JobRecord:
    row.state = next_state(State(row.state), Happening.CLAIMED)
    row.attempt = attempts_after(row.attempt, Happening.CLAIMED)
    row.lease_owner, row.lease_until = owner, now + datetime.timedelta(seconds=lease_s)
    row.started_at = row.started_at or now
    row.updated_at = now
    session.flush()
    job = jobs.record(row)
    jobs.announce(session, job, now)
    return job


def renew(session: Session, fence: Fence, now: datetime.datetime, lease_s: float) -> JobRecord | None:
    """Renew a lease; None when it is lost. The answer says whether somebody wants the job cancelled."""
    return jobs.changed(
        session, fence.job_id, _holds(fence), {"lease_until": now + datetime.timedelta(seconds=lease_s)}
    )


def held(session: Session, fence: Fence) -> bool:
    """Whether the claim still holds, and does until this transaction ends."""
    row = select(JobRow.id).where(JobRow.id == fence.job_id, *_holds(fence)).with_for_update()
    return session.scalar(row) is not None


def write_progress(session: Session, fence: Fence, progress: ProgressUpdate, now: datetime.datetime) -> bool:
    """Write how far a job is, with its event; False when the lease is lost."""
    low_s, high_s = progress.eta_s or (None, None)
    values: dict[str, Any] = {
        "stage": progress.stage,
        "units_done": progress.units_done,
        "units_total": progress.units_total,
        "eta_low_s": low_s,
        "eta_high_s": high_s,
        "updated_at": now,
    }
    if progress.progress is not None:
        values["progress"] = progress.progress
    job = jobs.changed(session, fence.job_id, _holds(fence), values)
    if job is None:
        return False
    data = {name: values[name] for name in ("stage", "units_done", "units_total", "eta_low_s", "eta_high_s")}
    data |= {"job_id": job.id, "progress": job.progress}
    events.append(session, job.user_id, job.id, events.PROGRESS, data, now)
    return True


def write_stage(session: Session, fence: Fence, stats: StageStats, now: datetime.datetime) -> None:
    """Write what a pass took; one that comes twice in an attempt replaces the earlier."""
    session.merge(
        JobStageRow(
            job_id=fence.job_id,
            attempt=fence.attempt,
            stage=stats.stage,
            units=stats.units,
            reused_units=stats.reused_units,
            elapsed_s=stats.elapsed_s,
            cpu_s=stats.cpu_s,
            peak_bytes=stats.peak_memory_bytes,
            started_at=now - datetime.timedelta(seconds=stats.elapsed_s),
            finished_at=now,
        )
    )


def add_artifacts(session: Session, fence: Fence, keys: Sequence[str]) -> bool:
    """Remember which artifacts a job uses; False when the lease is lost."""
    if not held(session, fence):
        return False
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    for first in range(0, len(keys), _ARTIFACTS_A_STATEMENT):
        values = [{"job_id": fence.job_id, "key": key} for key in keys[first : first + _ARTIFACTS_A_STATEMENT]]
        session.execute(dialect.insert(JobArtifactRow).values(values).on_conflict_do_nothing())
    return True


def record_result(session: Session, fence: Fence, result: NewResult, now: datetime.datetime) -> bool:
    """Take a file into the results of a job, in place of an earlier one of its path; False when the lease is lost."""
    held_row = select(JobRow).where(JobRow.id == fence.job_id, *_holds(fence)).with_for_update()
    job = session.scalars(held_row, execution_options={"populate_existing": True}).one_or_none()
    if job is None:
        return False
    wanted = (ResultRow.job_id == fence.job_id, ResultRow.path == result.path)
    row = session.scalars(select(ResultRow).where(*wanted)).one_or_none()
    growth = result.bytes - (0 if row is None else row.bytes)
    if row is None:
        row = ResultRow(job_id=fence.job_id, path=result.path)
        session.add(row)
    row.media_type, row.bytes, row.sha256 = result.media_type, result.bytes, result.sha256
    row.key, row.created_at = result.key, now
    job.result_bytes += growth
    session.flush()
    usage.record(session, job.user_id, growth)
    return True


def results_of(session: Session, job_id: str) -> dict[str, str]:
    """SHA-256 by path of the results that a job has so far."""
    rows = session.execute(select(ResultRow.path, ResultRow.sha256).where(ResultRow.job_id == job_id))
    return {row.path: row.sha256 for row in rows}


def finish(
    session: Session,
    fence: Fence,
    happening: Happening,
    now: datetime.datetime,
    keep: datetime.timedelta,
    error: E2E3DError | None = None,
    judgement: Judgement | None = None,
) -> JobRecord | None:
    """End, or give back, a running job whose lease is `fence`; None when the lease is lost.

    `happening` is ``completed`` (with the `judgement` of its model), ``refused`` (with its `error`), ``stopped``,
    ``released`` or ``crashed``; the results of a job that has ended are kept for `keep`.
    """
    query = select(JobRow).where(JobRow.id == fence.job_id, *_holds(fence)).with_for_update()
    row = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    if row is None:
        return None
    if judgement is not None:
        reasons = [dataclasses.asdict(reason) for reason in judgement.reasons]
        row.judgement = {"verdict": judgement.verdict, "reasons": reasons}
    return _end(session, row, happening, now, keep, error)


def reclaim(
    session: Session, now: datetime.datetime, keep: datetime.timedelta, dead_owners: Sequence[str] = ()
) -> JobRecord | None:
    """Take one job back whose lease has run out or whose runner is known to be dead; None when there is none."""
    lapsed = JobRow.lease_until < now
    condition = or_(lapsed, JobRow.lease_owner.in_(dead_owners)) if dead_owners else lapsed
    query = select(JobRow).where(JobRow.state == State.RUNNING, condition).limit(1).with_for_update(skip_locked=True)
    row = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    return None if row is None else _end(session, row, Happening.CRASHED, now, keep, None)


def any_lapsed(session: Session, now: datetime.datetime) -> bool:
    """Whether a lease has run out."""
    query = select(JobRow.id).where(JobRow.state == State.RUNNING, JobRow.lease_until < now).limit(1)
    return session.scalar(query) is not None


def owners(session: Session) -> tuple[str, ...]:
    """Who holds leases."""
    query = select(JobRow.lease_owner).where(JobRow.state == State.RUNNING, JobRow.lease_owner.is_not(None))
    return tuple(owner for owner in session.scalars(query.distinct()) if owner is not None)


def _end(
    session: Session,
    row: JobRow,
    happening: Happening,
    now: datetime.datetime,
    keep: datetime.timedelta,
    error: E2E3DError | None,
) -> JobRecord:
    state = next_state(State(row.state), happening, row.attempt, row.cancel_requested_at is not None)
    if state is State.FAILED and error is None:
        error = worker_died(row.attempt)
    row.attempt = attempts_after(row.attempt, happening)
    row.state, row.lease_owner, row.lease_until, row.updated_at = state, None, None, now
    row.eta_low_s = row.eta_high_s = None
    if error is not None:
        row.error_code, row.error_message, row.error_hint = error.code, error.message, error.hint
    if state is not State.QUEUED:
        row.finished_at, row.expires_at = now, now + keep
        events.forget_progress(session, row.id)
    if state is State.SUCCEEDED:
        row.progress = 1.0
    session.flush()
    job = jobs.record(row)
    jobs.announce(session, job, now)
    return job


def worker_died(attempts: int) -> MachineError:
    """What a job ends with whose process died too often."""
    return MachineError(
        "worker-died",
        f"The process of the job ended unexpectedly {attempts} times.",
        "Look at the job's log; retry it with a lower quality, which needs less memory.",
    )


def _holds(fence: Fence) -> tuple[Any, ...]:
    return JobRow.state == State.RUNNING, JobRow.lease_owner == fence.owner, JobRow.attempt == fence.attempt
