"""The table of what is shared."""

from __future__ import annotations

import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from e2e3d.service.database.table_base import Base, Uuid, new_id, now


class ShareRow(Base):
    """An address by which anybody may look at the model of a job; withdrawing it removes the row."""

    __tablename__ = "shares"
    __table_args__ = (Index(None, "job_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime.datetime | None]
