"""Sums over the whole database, for metrics."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.administration.state import last_backups
from e2e3d.service.database.table_base import now
from e2e3d.service.image_sets.tables import BlobRow
from e2e3d.service.jobs.lifecycle import ACTIVE, State
from e2e3d.service.jobs.tables import JobRow, JobStageRow
from e2e3d.service.results.tables import ResultRow
from e2e3d.service.webhooks.tables import WebhookDeliveryRow

RECENT = datetime.timedelta(hours=1)
_MOST_USERS = 20
_NEAR_QUOTA = 0.9


@dataclass(frozen=True)
class StageSums:
    """What all runs of a stage took together."""

    stage: str
    runs: int
    units: int
    reused_units: int
    elapsed_s: float
    cpu_s: float


@dataclass(frozen=True)
class UserSums:
    """What one user has: stored bytes, the quota of them, and unfinished jobs."""

    user_id: str
    stored_bytes: int
    quota_bytes: int
    unfinished_jobs: int


@dataclass(frozen=True)
class Figures:
    """The state of the service in numbers.

    Attributes:
        jobs: by state.
        failures: failed jobs by code, of all time.
        recent: jobs that ended within the last hour, by state and code (empty for those without an error).
        oldest_wait_s: how long the oldest job has waited.
        longest_silence_s: the longest time that a running job has reported nothing.
        lapsed: running jobs whose lease has run out.
        lost_photographs: contents that the store was found to have lost.
        users_near_quota: users with more than nine tenths of their quota stored.
        most: the users who store most.
        backup_age_s: since the newest backup that was ``made``, and ``verified``; made counts from the first account on
            where there was none.
    """

    jobs: Mapping[str, int]
    failures: Mapping[str, int]
    recent: Mapping[tuple[str, str], int]
    oldest_wait_s: float
    longest_silence_s: float
    lapsed: int
    users: int
    users_near_quota: int
    most: tuple[UserSums, ...]
    blob_bytes: int
    lost_photographs: int
    result_bytes: int
    pending_deliveries: int
    backup_age_s: Mapping[str, float]
    stages: tuple[StageSums, ...]


def collect(session: Session) -> Figures:
    """Ask for all figures."""
    jobs = dict.fromkeys(("queued", "running", "succeeded", "failed", "cancelled"), 0)
    for state, count in session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)):
        jobs[state] = count
    failed = select(JobRow.error_code, func.count()).where(JobRow.state == "failed").group_by(JobRow.error_code)
    running = JobRow.state == State.RUNNING
    able = (UserRow.disabled.is_(False), UserRow.deleted_at.is_(None))
    near = UserRow.stored_bytes > _NEAR_QUOTA * UserRow.quota_bytes
    oldest = session.scalar(select(func.min(JobRow.queued_at)).where(JobRow.state == State.QUEUED))
    silent = session.scalar(select(func.min(JobRow.updated_at)).where(running))
    lost = select(func.count()).where(BlobRow.lost_at.is_not(None))
    return Figures(
        jobs=jobs,
        failures={code or "unknown": count for code, count in session.execute(failed)},
        recent=_recent(session),
        oldest_wait_s=_seconds_since(oldest),
        longest_silence_s=_seconds_since(silent),
        lapsed=session.scalar(select(func.count()).where(running, JobRow.lease_until < now())) or 0,
        users=session.scalar(select(func.count()).where(*able)) or 0,
        users_near_quota=session.scalar(select(func.count()).where(*able, near)) or 0,
        most=_most(session),
        lost_photographs=session.scalar(lost) or 0,
        backup_age_s=_backup_ages(session),
        blob_bytes=int(session.scalar(select(func.coalesce(func.sum(BlobRow.bytes), 0))) or 0),
        result_bytes=int(session.scalar(select(func.coalesce(func.sum(ResultRow.bytes), 0))) or 0),
        pending_deliveries=session.scalar(select(func.count()).where(WebhookDeliveryRow.state == "pending")) or 0,
        stages=_stage_sums(session),
    )


def _seconds_since(moment: datetime.datetime | None) -> float:
    return 0.0 if moment is None else max(0.0, (now() - moment).total_seconds())


def _backup_ages(session: Session) -> dict[str, float]:
    first = session.scalar(select(func.min(UserRow.created_at)))
    moments = ({} if first is None else {"made": first}) | last_backups(session)
    return {what: _seconds_since(moment) for what, moment in moments.items()}


def _recent(session: Session) -> dict[tuple[str, str], int]:
    """Jobs that ended within the last hour and whose users have not deleted them."""
    ended = (JobRow.finished_at > now() - RECENT, JobRow.deleted_at.is_(None), JobRow.state.not_in(ACTIVE))
    query = select(JobRow.state, JobRow.error_code, func.count()).where(*ended)
    rows = session.execute(query.group_by(JobRow.state, JobRow.error_code))
    return {(row[0], row[1] or ""): row[2] for row in rows}


def _most(session: Session) -> tuple[UserSums, ...]:
    unfinished = (JobRow.user_id == UserRow.id, JobRow.state.in_(ACTIVE), JobRow.deleted_at.is_(None))
    jobs = select(func.count(JobRow.id)).where(*unfinished).correlate(UserRow).scalar_subquery()
    query = select(UserRow.id, UserRow.stored_bytes, UserRow.quota_bytes, jobs).where(UserRow.deleted_at.is_(None))
    rows = session.execute(query.order_by(UserRow.stored_bytes.desc(), UserRow.id).limit(_MOST_USERS))
    return tuple(UserSums(*row) for row in rows)


def _stage_sums(session: Session) -> tuple[StageSums, ...]:
    stage = JobStageRow
    sums = (func.count(), func.sum(stage.units), func.sum(stage.reused_units))
    times = (func.sum(stage.elapsed_s), func.sum(stage.cpu_s))
    rows = session.execute(select(stage.stage, *sums, *times).group_by(stage.stage).order_by(stage.stage))
    return tuple(StageSums(row[0], int(row[1]), int(row[2]), int(row[3]), float(row[4]), float(row[5])) for row in rows)
