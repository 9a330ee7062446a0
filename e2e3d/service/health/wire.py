"""Whether the service is ready, as it says so."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from e2e3d.service.http.wire import ResponseModel, values

_Status = Annotated[str, values("ok", "failed")]


class Part(ResponseModel):
    """One of the things that the service needs."""

    status: _Status
    detail: str | None = None


class Readiness(ResponseModel):
    """Whether requests can be served, and for operators each part that this needs."""

    status: _Status
    parts: dict[str, Part] | None = Field(
        default=None, examples=[{"database": {"status": "ok"}, "store": {"status": "failed", "detail": "disk-full"}}]
    )
