"""The table of annotations."""

from __future__ import annotations

import datetime

from sqlalchemy import Double, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from e2e3d.service.database.table_base import Base, Uuid, new_id, now


class AnnotationRow(Base):
    """A place of the model of a job, in its frame, with a title and a text."""

    __tablename__ = "annotations"
    __table_args__ = (Index(None, "job_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text, default="")
    x: Mapped[float] = mapped_column(Double)
    y: Mapped[float] = mapped_column(Double)
    z: Mapped[float] = mapped_column(Double)
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)
