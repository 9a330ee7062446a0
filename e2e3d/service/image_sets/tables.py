"""Tables of what users bring: image sets, their photographs, the stored bytes, and uploads under way."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from e2e3d.service.database.table_base import Base, Uuid, new_id, now


class ImageSetRow(Base):
    """A named set of photographs that jobs are made from."""

    __tablename__ = "image_sets"
    __table_args__ = (Index(None, "user_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    photo_count: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(default=now)
    deleted_at: Mapped[datetime.datetime | None]


class PhotoRow(Base):
    """A photograph of an image set; its bytes are the blob `sha256`."""

    __tablename__ = "photos"
    __table_args__ = (
        UniqueConstraint("image_set_id", "name"),
        CheckConstraint("state in ('ok', 'warning', 'rejected')", "state"),
        Index(None, "image_set_id", "position"),
        Index(None, "sha256"),
    )

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    image_set_id: Mapped[str] = mapped_column(ForeignKey("image_sets.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    width_px: Mapped[int | None]
    height_px: Mapped[int | None]
    media_type: Mapped[str | None] = mapped_column(String(100))
    sharpness: Mapped[float | None]
    exposure: Mapped[float | None]
    thumbprint: Mapped[str | None] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16), default="ok")
    findings: Mapped[list[Any]] = mapped_column(default=list)
    position: Mapped[int]
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)


class BlobRow(Base):
    """Bytes of a photograph in the store, kept once however many photographs have them.

    `lost_at` is when they were found missing or changed in the store; None once they have been written again.
    """

    __tablename__ = "blobs"
    __table_args__ = (Index(None, "last_used_at"),)

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)
    last_used_at: Mapped[datetime.datetime] = mapped_column(default=now)
    lost_at: Mapped[datetime.datetime | None]
