"""The table of uploads under way."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from e2e3d.service.database.table_base import Base, Uuid, new_id, now

UNFINISHED = ("open", "arrived", "importing")
"""States of uploads whose bytes lie in the store."""


class UploadRow(Base):
    """What arrives bit by bit: tus through the API, presigned parts straight to S3, or a prefix of S3 to copy from."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("kind in ('tus', 'presigned', 's3')", "kind"),
        Index(None, "user_id", "created_at", "id"),
        Index(None, "image_set_id"),
        Index(None, "expires_at"),
    )

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    image_set_id: Mapped[str] = mapped_column(ForeignKey("image_sets.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    offset_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[str] = mapped_column(String(16), default="open")
    parts: Mapped[list[Any]] = mapped_column(default=list)
    s3_upload_id: Mapped[str | None] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    sha256: Mapped[str | None] = mapped_column(String(64))
    expires_at: Mapped[datetime.datetime]
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(default=now)
