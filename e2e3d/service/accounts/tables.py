"""Tables of accounts: who may call, with what, and what they did."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from e2e3d.service.database.table_base import Base, BigId, Uuid, new_id, now


class UserRow(Base):
    """A person or program with an account; `email` is kept in lower case.

    A deleted user is removed with everything it owns at `purge_at`, and can be restored until then.
    `start_tag` is that of the job begun last, `finish_tag` that of the next one; see ``repository/fair_queue.py``.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role in ('admin', 'user')", "role"),
        Index(None, "created_at", "id"),
        Index(None, "purge_at"),
        Index(None, "start_tag"),
        Index(None, "finish_tag"),
    )

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    role: Mapped[str] = mapped_column(String(16), default="user")
    password_hash: Mapped[str] = mapped_column(String(255))
    disabled: Mapped[bool] = mapped_column(default=False)
    quota_photos: Mapped[int]
    quota_bytes: Mapped[int] = mapped_column(BigInteger)
    quota_jobs: Mapped[int]
    stored_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    start_tag: Mapped[float] = mapped_column(default=0.0)
    finish_tag: Mapped[float] = mapped_column(default=0.0)
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)
    deleted_at: Mapped[datetime.datetime | None]
    purge_at: Mapped[datetime.datetime | None]


class RefreshTokenRow(Base):
    """A refresh token, known by its hash; all that descend from one login share a family."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index(None, "user_id"), Index(None, "family"), Index(None, "expires_at"))

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    family: Mapped[str] = mapped_column(Uuid)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime.datetime]
    used_at: Mapped[datetime.datetime | None]
    revoked_at: Mapped[datetime.datetime | None]
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)


class ApiKeyRow(Base):
    """A key of a program, known by its hash; `prefix` is what people see of it."""

    __tablename__ = "api_keys"
    __table_args__ = (Index(None, "user_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(Uuid, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[Any]]
    expires_at: Mapped[datetime.datetime | None]
    last_used_at: Mapped[datetime.datetime | None]
    revoked_at: Mapped[datetime.datetime | None]
    created_at: Mapped[datetime.datetime] = mapped_column(default=now)


class LoginAttemptRow(Base):
    """A failed login of an account or an address, where no Redis counts them."""

    __tablename__ = "login_attempts"
    __table_args__ = (Index(None, "key", "at"), Index(None, "at"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(128))
    at: Mapped[datetime.datetime] = mapped_column(default=now)
