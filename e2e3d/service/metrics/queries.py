"""Sums over the whole database, for metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.database.table_base import now
from e2e3d.service.image_sets.tables import BlobRow
from e2e3d.service.jobs.tables import JobRow, JobStageRow
from e2e3d.service.results.tables import ResultRow
from e2e3d.service.webhooks.tables import WebhookDeliveryRow


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
class Figures:
    """The state of the service in numbers; `jobs` by state, `failures` by code."""

    jobs: Mapping[str, int]
    failures: Mapping[str, int]
    oldest_wait_s: float
    users: int
    blob_bytes: int
    result_bytes: int
    pending_deliveries: int
    stages: tuple[StageSums, ...]


def collect(session: Session) -> Figures:
    """Ask for all figures."""
    jobs = dict.fromkeys(("queued", "running", "succeeded", "failed", "cancelled"), 0)
    for state, count in session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)):
        jobs[state] = count
    failed = select(JobRow.error_code, func.count()).where(JobRow.state == "failed").group_by(JobRow.error_code)
    oldest = session.scalar(select(func.min(JobRow.queued_at)).where(JobRow.state == "queued"))
    able = (UserRow.disabled.is_(False), UserRow.deleted_at.is_(None))
    return Figures(
        jobs=jobs,
        failures={code or "unknown": count for code, count in session.execute(failed)},
        oldest_wait_s=0.0 if oldest is None else max(0.0, (now() - oldest).total_seconds()),
        users=session.scalar(select(func.count()).where(*able)) or 0,
        blob_bytes=int(session.scalar(select(func.coalesce(func.sum(BlobRow.bytes), 0))) or 0),
        result_bytes=int(session.scalar(select(func.coalesce(func.sum(ResultRow.bytes), 0))) or 0),
        pending_deliveries=session.scalar(select(func.count()).where(WebhookDeliveryRow.state == "pending")) or 0,
        stages=_stage_sums(session),
    )


def _stage_sums(session: Session) -> tuple[StageSums, ...]:
    stage = JobStageRow
    sums = (func.count(), func.sum(stage.units), func.sum(stage.reused_units))
    times = (func.sum(stage.elapsed_s), func.sum(stage.cpu_s))
    rows = session.execute(select(stage.stage, *sums, *times).group_by(stage.stage).order_by(stage.stage))
    return tuple(StageSums(row[0], int(row[1]), int(row[2]), int(row[3]), float(row[4]), float(row[5])) for row in rows)
