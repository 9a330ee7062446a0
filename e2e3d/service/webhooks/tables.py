"""Tables of what users are told: events, and webhooks with their deliveries."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from e2e3d.service.database.table_base import Base, BigId, Uuid, new_id, now


class WebhookRow(Base):
    """An address that wants to hear of a user's events; both secrets are salts, worthless without the secret key."""

    __tablename__ = "webhooks"
    __table_args__ = (Index(None, "user_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(String(128))
    previous_secret: Mapped[str | None] = mapped_column(String(128))
    previous_until: Mapped[datetime.datetime | None]
    event_types: Mapped[list[Any]] = mapped_column(default=list)
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)


class WebhookDeliveryRow(Base):
    """One event for one address, and how its delivery goes; `webhook_id` is None for a job's own address."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("state in ('pending', 'delivered', 'failed')", "state"),
        Index(None, "state", "next_attempt_at"),
        Index(None, "webhook_id", "created_at", "id"),
        Index(None, "user_id", "created_at", "id"),
        Index(None, "job_id"),
    )

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    webhook_id: Mapped[str | None] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    event_id: Mapped[int | None] = mapped_column(BigId)
    event_type: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    url: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime.datetime | None]
    status_code: Mapped[int | None]
    response: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)
    delivered_at: Mapped[datetime.datetime | None]
