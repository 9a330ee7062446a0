"""FastAPI dependencies that say who calls, and refuse those who may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Query
from fastapi.requests import HTTPConnection, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from e2e3d.data.service.accounts import ADMIN, READ, WRITE
from e2e3d.serve.auth.authenticate import caller_of
from e2e3d.serve.auth.caller import Caller
from e2e3d.serve.problems import ProblemError
from e2e3d.serve.services import Services

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    bearerFormat="JWT or API key",
    description="An access token from `/v1/auth/login`, or an API key (`e2e_…`) from `/v1/api-keys`.",
)
_AccessToken = Annotated[
    str | None, Query(description="The token, where a browser cannot send headers.", max_length=2048)
]


def services_of(connection: HTTPConnection) -> Services:
    """What the application was made with."""
    services: Services = connection.app.state.services
    return services


def require(scope: str) -> Callable[..., Caller]:
    """A dependency that gives the caller, who must have a scope."""

    def dependency(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        caller = _caller(request, credentials.credentials if credentials else None)
        return _checked(caller, scope)

    return dependency


async def deferred_reader(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Callable[[], Caller]:
    """As ``Reader``, but asked for inside the route: one thread does both, which the busiest route is worth."""
    token = credentials.credentials if credentials else None
    return lambda: _checked(_caller(request, token), READ)


def stream_reader(connection: HTTPConnection, access_token: _AccessToken = None) -> Caller:
    """The caller of an event stream or a WebSocket; the token may stand in the address: browsers send no header."""
    scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
    token = credentials.strip() if scheme.lower() == "bearer" and credentials else access_token
    return _checked(_caller(connection, token), READ)


def _caller(connection: HTTPConnection, token: str | None) -> Caller:
    state = connection.scope.get("state", {})
    caller = caller_of(services_of(connection), token, state.get("address"), state.get("request_id"))
    state["user_id"] = caller.id
    return caller


def _checked(caller: Caller, scope: str) -> Caller:
    if scope in caller.scopes:
        return caller
    if scope == ADMIN and caller.user.role != ADMIN:
        raise ProblemError(403, "administrators-only", "Only administrators may do this.", "Ask an administrator.")
    raise ProblemError(
        403, "scope-missing", f"The API key has no scope `{scope}`.", f"Make an API key with the scope `{scope}`."
    )


Reader = Annotated[Caller, Depends(require(READ))]
DeferredReader = Annotated[Callable[[], Caller], Depends(deferred_reader)]
Writer = Annotated[Caller, Depends(require(WRITE))]
Admin = Annotated[Caller, Depends(require(ADMIN))]
StreamReader = Annotated[Caller, Depends(stream_reader)]


async def _services(connection: HTTPConnection) -> Services:
    """As :func:`services_of`; FastAPI would run one that is not async in a thread, for nothing."""
    return services_of(connection)


ServicesOf = Annotated[Services, Depends(_services)]
