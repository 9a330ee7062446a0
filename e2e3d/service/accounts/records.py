"""Records of accounts: users, their tokens and keys, and what they did."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

READ, WRITE, ADMIN = "read", "write", "admin"
SCOPES = (READ, WRITE, ADMIN)


@dataclass(frozen=True)
class Quotas:
    """What a user may use at most: photographs of one job, stored bytes, unfinished (queued or running) jobs."""

    photos: int
    bytes: int
    jobs: int


@dataclass(frozen=True)
class User:
    """An account, without its password.

    Attributes:
        deleted_at: when it was deleted; it can be restored until `purge_at`, when it goes with all that it owns.
    """

    id: str
    email: str
    name: str
    role: str
    disabled: bool
    quotas: Quotas
    stored_bytes: int
    created_at: datetime.datetime
    deleted_at: datetime.datetime | None = None
    purge_at: datetime.datetime | None = None

    @property
    def active(self) -> bool:
        """Whether the user may sign in."""
        return not self.disabled and self.deleted_at is None

    @property
    def scopes(self) -> frozenset[str]:
        """What the user may do at most."""
        return frozenset(SCOPES) if self.role == ADMIN else frozenset((READ, WRITE))


@dataclass(frozen=True)
class UserChange:
    """Changes to an account; None leaves a value as it is."""

    name: str | None = None
    role: str | None = None
    disabled: bool | None = None
    quota_photos: int | None = None
    quota_bytes: int | None = None
    quota_jobs: int | None = None
    password_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Actor:
    """Who does something, from where, in which request; `user_id` is None before a login succeeded."""

    user_id: str | None
    address: str | None
    request_id: str | None


@dataclass(frozen=True)
class ApiKey:
    """A key of a program; the key itself is known to its owner only."""

    id: str
    user_id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    expires_at: datetime.datetime | None
    last_used_at: datetime.datetime | None
    created_at: datetime.datetime


@dataclass(frozen=True)
class AuditEntry:
    """One thing that somebody did."""

    id: int
    at: datetime.datetime
    user_id: str | None
    action: str
    resource_type: str | None
    resource_id: str | None
    address: str | None
    request_id: str | None
    detail: Mapping[str, Any]
