"""Tables of jobs: their state and lease, their photographs, stages, log and results."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from e2e3d.service.database.table_base import Base, BigId, Uuid, new_id, now


class JobRow(Base):
    """A reconstruction; who may write to it while it runs is fenced by (id, lease_owner, attempt).

    `start_tag` and `cost_s` are its turn in the queue, see ``repository/fair_queue.py``.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')", "state"),
        Index(None, "user_id", "created_at", "id"),
        Index(None, "user_id", "state", "created_at", "id"),
        Index("ix_jobs_claim", "state", "start_tag", "queued_at", "id"),
        Index(None, "state", "lease_until"),
        Index(None, "image_set_id"),
        Index(None, "expires_at"),
    )

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    image_set_id: Mapped[str | None] = mapped_column(ForeignKey("image_sets.id", ondelete="SET NULL"))
    name: Mapped[str] = mapped_column(String(200), default="")
    state: Mapped[str] = mapped_column(String(16), default="queued")
    quality: Mapped[str] = mapped_column(String(32))
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    outputs: Mapped[list[Any]] = mapped_column(default=list)
    priority: Mapped[int] = mapped_column(default=0)
    start_tag: Mapped[float] = mapped_column(default=0.0)
    cost_s: Mapped[float] = mapped_column(default=60.0)
    attempt: Mapped[int] = mapped_column(default=0)
    interruptions: Mapped[int] = mapped_column(default=0)
    retry_of: Mapped[str | None] = mapped_column(Uuid)
    trace_parent: Mapped[str | None] = mapped_column(String(55))
    webhook_url: Mapped[str | None] = mapped_column(Text)
    stage: Mapped[str | None] = mapped_column(String(32))
    units_done: Mapped[int] = mapped_column(default=0)
    units_total: Mapped[int] = mapped_column(default=0)
    progress: Mapped[float] = mapped_column(default=0.0)
    eta_low_s: Mapped[float | None]
    eta_high_s: Mapped[float | None]
    cancel_requested_at: Mapped[datetime.datetime | None]
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime.datetime | None]
    forecast: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    error_hint: Mapped[str | None] = mapped_column(Text)
    judgement: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)
    queued_at: Mapped[datetime.datetime] = mapped_column(default=now)
    claimed_at: Mapped[datetime.datetime | None]
    started_at: Mapped[datetime.datetime | None]
    finished_at: Mapped[datetime.datetime | None]
    updated_at: Mapped[datetime.datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime.datetime | None]
    result_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    deleted_at: Mapped[datetime.datetime | None]


class JobInputRow(Base):
    """A photograph of a job, as it was when the job was submitted."""

    __tablename__ = "job_inputs"
    __table_args__ = (Index(None, "sha256"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))


class JobArtifactRow(Base):
    """An artifact of the engine that a job uses: the collector leaves it alone."""

    __tablename__ = "job_artifacts"
    __table_args__ = (Index(None, "key"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)


class JobStageRow(Base):
    """What one stage of one attempt took."""

    __tablename__ = "job_stages"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stage: Mapped[str] = mapped_column(String(32), primary_key=True)
    units: Mapped[int] = mapped_column(default=0)
    reused_units: Mapped[int] = mapped_column(default=0)
    elapsed_s: Mapped[float] = mapped_column(default=0.0)
    cpu_s: Mapped[float] = mapped_column(default=0.0)
    peak_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    started_at: Mapped[datetime.datetime | None]
    finished_at: Mapped[datetime.datetime | None]


class JobLogRow(Base):
    """A line of a job's log."""

    __tablename__ = "job_logs"
    __table_args__ = (Index(None, "job_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime.datetime] = mapped_column(default=now)
    level: Mapped[str] = mapped_column(String(16))
    message: Mapped[str] = mapped_column(Text)


class IdempotencyKeyRow(Base):
    """A submission that must not happen twice."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "created_at"),)

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)


class StageTimeRow(Base):
    """A measured stage of a finished job, which forecasts are made from."""

    __tablename__ = "stage_times"
    __table_args__ = (Index(None, "quality", "stage", "at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    quality: Mapped[str] = mapped_column(String(32))
    stage: Mapped[str] = mapped_column(String(32))
    photos: Mapped[int]
    megapixels: Mapped[float]
    elapsed_s: Mapped[float]
    cpu_s: Mapped[float]
    peak_bytes: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime.datetime] = mapped_column(default=now)
