"""Jobs as runners see them: claimed with a lease, renewed, written to behind a fence, and given back."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from e2e3d.data.judgement import Judgement
from e2e3d.data.stats import StageStats
from e2e3d.errors import E2E3DError, MachineError
from e2e3d.service.accounts import quotas as usage
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.events import queries as events
from e2e3d.service.jobs import fair_queue
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.lifecycle import JobTransition, State, attempts_after, next_state
from e2e3d.service.jobs.records import Fence, JobRecord, NewResult, ProgressUpdate
from e2e3d.service.jobs.tables import JobArtifactRow, JobRow, JobStageRow
from e2e3d.service.results.tables import ResultRow

_ARTIFACTS_A_STATEMENT = 500
_NOT_CHARGED = (JobTransition.RELEASED, JobTransition.INTERRUPTED)
# A claim runs these, so they are built once.
_QUEUED = select(JobRow.id).where(JobRow.state == State.QUEUED).limit(1)
_NEXT = (  # the user's row is locked: the job's is once it is known to be the one, always in this order
    select(JobRow.id)
    .join(UserRow, UserRow.id == JobRow.user_id)
    .where(JobRow.state == State.QUEUED)
    .order_by(*fair_queue.ORDER)
    .limit(1)
    .with_for_update(of=UserRow, key_share=True, skip_locked=True)
)
_STILL_QUEUED = (
    select(JobRow)
    .where(JobRow.id == bindparam("job_id"), JobRow.state == State.QUEUED)
    .with_for_update(skip_locked=True)
    .execution_options(populate_existing=True)
)


def claim(session: Session, owner: str, now: datetime.datetime, lease_s: float) -> JobRecord | None:
    """Take the queued job that comes next, see :mod:`fair_queue`; None when there is none to be had now.

    Runners never wait for each other: PostgreSQL skips what others are claiming, and on SQLite the transaction that
    may write is the only one.
    """
    taken: list[str] = []
    while (job_id := session.scalar(_NEXT.where(JobRow.id.not_in(taken)) if taken else _NEXT)) is not None:
        row = session.scalars(_STILL_QUEUED, {"job_id": job_id}).one_or_none()
        if row is not None:
            return _begin(session, row, owner, now, lease_s)
        taken.append(job_id)  # another runner was faster
    return None


def any_queued(connection: Connection) -> bool:
    """Whether a claim is worth a transaction."""
    return connection.scalar(_QUEUED) is not None


def cancelled(session: Session, fences: Sequence[Fence]) -> frozenset[str]:
    """Which of the running jobs somebody wants cancelled."""
    ids = [fence.job_id for fence in fences]
    query = select(JobRow.id).where(JobRow.id.in_(ids), JobRow.cancel_requested_at.is_not(None))
    return frozenset(session.scalars(query))


def _begin(session: Session, row: JobRow, owner: str, now: datetime.datetime, lease_s: float) -> JobRecord:
    row.state = next_state(State(row.state), JobTransition.CLAIMED)
    row.attempt = attempts_after(row.attempt, JobTransition.CLAIMED)
    row.lease_owner, row.lease_until = owner, now + datetime.timedelta(seconds=lease_s)
    row.started_at = row.started_at or now
    row.claimed_at = row.updated_at = now
    fair_queue.begun(session, row)
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
    job = _locked(session, fence)
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
    transition: JobTransition,
    now: datetime.datetime,
    keep: datetime.timedelta,
    error: E2E3DError | None = None,
    judgement: Judgement | None = None,
) -> JobRecord | None:
    """End, or give back, a running job whose lease is `fence`; None when the lease is lost.

    `transition` is ``completed`` (with the `judgement` of its model), ``refused`` (with its `error`), ``stopped``,
    ``released``, ``crashed`` or ``interrupted``; the results of a job that has ended are kept for `keep`.
    """
    row = _locked(session, fence)
    if row is None:
        return None
    if judgement is not None:
        reasons = [dataclasses.asdict(reason) for reason in judgement.reasons]
        row.judgement = {"verdict": judgement.verdict, "reasons": reasons}
    return _end(session, row, transition, now, keep, error)


def reclaim(
    session: Session, now: datetime.datetime, keep: datetime.timedelta, dead_owners: Sequence[str] = ()
) -> JobRecord | None:
    """Take one job back whose lease has run out or whose runner is known to be dead; None when there is none.

    That is never the job's own failure: a process that dies alone is seen by its runner.
    """
    lapsed = JobRow.lease_until < now
    condition = or_(lapsed, JobRow.lease_owner.in_(dead_owners)) if dead_owners else lapsed
    silent = (JobRow.state == State.RUNNING, condition)
    first = select(JobRow.id).join(UserRow, UserRow.id == JobRow.user_id).where(*silent).limit(1)
    job_id = session.scalar(first.with_for_update(of=UserRow, key_share=True, skip_locked=True))
    query = select(JobRow).where(JobRow.id == job_id, *silent).with_for_update(skip_locked=True)
    row = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    return None if row is None else _end(session, row, JobTransition.INTERRUPTED, now, keep, None)


def any_lapsed(session: Session, now: datetime.datetime) -> bool:
    """Whether a lease has run out."""
    query = select(JobRow.id).where(JobRow.state == State.RUNNING, JobRow.lease_until < now).limit(1)
    return session.scalar(query) is not None


def owners(session: Session) -> tuple[str, ...]:
    """Who holds leases."""
    query = select(JobRow.lease_owner).where(JobRow.state == State.RUNNING, JobRow.lease_owner.is_not(None))
    return tuple(owner for owner in session.scalars(query.distinct()) if owner is not None)


def _locked(session: Session, fence: Fence) -> JobRow | None:
    """The job of a lease, locked after its user; None when the lease is lost."""
    user_id = session.scalar(select(JobRow.user_id).where(JobRow.id == fence.job_id))
    if user_id is None:
        return None
    fair_queue.lock_user(session, user_id)
    query = select(JobRow).where(JobRow.id == fence.job_id, *_holds(fence)).with_for_update()
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()


def _end(
    session: Session,
    row: JobRow,
    transition: JobTransition,
    now: datetime.datetime,
    keep: datetime.timedelta,
    error: E2E3DError | None,
) -> JobRecord:
    cancelled = row.cancel_requested_at is not None
    state = next_state(State(row.state), transition, row.attempt, cancelled, row.interruptions)
    row.interruptions += transition is JobTransition.INTERRUPTED
    if state is State.FAILED and error is None:
        interrupted = transition is JobTransition.INTERRUPTED
        error = interrupted_often(row.interruptions) if interrupted else worker_died(row.attempt)
    row.attempt = attempts_after(row.attempt, transition)
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
    fair_queue.ended(session, row, 0.0 if transition in _NOT_CHARGED else _service_s(row, now))
    job = jobs.record(row)
    jobs.announce(session, job, now)
    return job


def _service_s(row: JobRow, now: datetime.datetime) -> float:
    """How long the job was computed since its last claim."""
    return 0.0 if row.claimed_at is None else max(0.0, (now - row.claimed_at).total_seconds())


def worker_died(attempts: int) -> MachineError:
    """What a job ends with whose process died too often."""
    return MachineError(
        "worker-died",
        f"The process of the job ended unexpectedly {attempts} times.",
        "Look at the job's log; retry it with a lower quality, which needs less memory.",
    )


def interrupted_often(interruptions: int) -> MachineError:
    """What a job ends with whose runner, Ray or machine went away too often."""
    return MachineError(
        "interrupted-too-often",
        f"The service stopped or broke down {interruptions} times while it computed the job.",
        "Look at the logs of the service and of the job; if it was this job that took the machine down, retry it with "
        "a lower quality, or on a machine with more memory.",
    )


def _holds(fence: Fence) -> tuple[Any, ...]:
    return JobRow.state == State.RUNNING, JobRow.lease_owner == fence.owner, JobRow.attempt == fence.attempt
