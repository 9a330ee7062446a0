"""Accounts, API keys and the audit log, as frozen records."""

from __future__ import annotations

import datetime
from typing import Any

from e2e3d.client.models import Record


class Quotas(Record):
    """What a user may use at most: photographs of one job, stored bytes, unfinished jobs at once."""

    photos: int
    bytes: int
    jobs: int


class User(Record):
    """An account; `role` is ``user`` or ``admin``. A deleted one can be restored until `purge_at`."""

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


class ChangedUser(User):
    """An account after a change, and how many sign-ins and API keys the change has ended."""

    revoked_logins: int = 0
    revoked_api_keys: int = 0


class Account(User):
    """Your own account; `scopes` is what this sign-in or key may do, of ``read``, ``write`` and ``admin``."""

    scopes: tuple[str, ...]


class ApiKey(Record):
    """An API key without its secret part; `prefix` is how it begins."""

    id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    expires_at: datetime.datetime | None
    last_used_at: datetime.datetime | None
    created_at: datetime.datetime


class NewApiKey(ApiKey):
    """A new API key: `key` is shown this once."""

    key: str


class AuditEntry(Record):
    """One thing that somebody did."""

    id: int
    at: datetime.datetime
    user_id: str | None
    action: str
    resource_type: str | None
    resource_id: str | None
    address: str | None
    request_id: str | None
    detail: dict[str, Any]
