"""The audit log and the level of the log, as the API shows them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from e2e3d.service.http.wire import RequestModel, ResponseModel

if TYPE_CHECKING:
    from e2e3d.service.accounts.records import AuditEntry


class AuditOut(ResponseModel):
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
        return cls.from_record(entry)


class LogLevel(RequestModel, extra="ignore"):
    """The lowest level that is logged."""

    level: Literal["debug", "info", "warning", "error"] = Field(examples=["debug"])
