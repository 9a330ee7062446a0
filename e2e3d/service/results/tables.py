"""The table of what jobs made."""

from __future__ import annotations

import datetime

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from e2e3d.service.database.table_base import Base, Uuid, new_id, now


class ResultRow(Base):
    """A file that a job made; `key` is where its bytes lie in the store."""

    __tablename__ = "results"
    __table_args__ = (UniqueConstraint("job_id", "path"),)

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(512))
    media_type: Mapped[str] = mapped_column(String(100))
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(700))
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)
