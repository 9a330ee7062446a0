"""What is said of the provider over HTTP."""

from __future__ import annotations

from pydantic import Field

from e2e3d.service.http.wire import ResponseModel


class SignInWays(ResponseModel):
    """How one can sign in besides by a password."""

    provider: str | None = Field(description="What the organisation's provider is called; null where there is none.")
