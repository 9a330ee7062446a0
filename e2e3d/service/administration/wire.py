"""The audit log as the API shows it."""

from __future__ import annotations

import datetime
from typing import Any

from pydantic import BaseModel, Field

from e2e3d.service.accounts.records import AuditEntry
from e2e3d.service.accounts.wire import members


class AuditOut(BaseModel):
    """One thing that somebody did."""

    id: int
    at: datetime.datetime
    user_id: str | None
    action: str = Field(examples=["user.create"])
    resource_type: str | None
    resource_id: str | None
    address: str | None
    request_id: str | None
    detail: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditOut:
        """The public form of a record."""
        return cls.model_validate(members(entry, cls))
