"""The table of events."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from e2e3d.service.database.table_base import Base, BigId, now


class EventRow(Base):
    """Something that happened to a job; ids only grow and are never used again."""

    __tablename__ = "events"
    __table_args__ = (
        Index(None, "user_id", "id"),
        Index(None, "job_id", "id"),
        Index(None, "at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[datetime.datetime] = mapped_column(default=now)
