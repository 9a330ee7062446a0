"""FastAPI dependencies that say who calls, and refuse those who may not."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query
from fastapi.requests import HTTPConnection, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.base import SecurityBase

from e2e3d.errors import E2E3DError
from e2e3d.service.accounts.records import ADMIN, READ, WRITE
from e2e3d.service.database import Connection
from e2e3d.service.http.problems import ProblemError
from e2e3d.service.services import Services
from e2e3d.service.sign_in.authenticate import KeyHash, caller_of, read_token
from e2e3d.service.sign_in.caller import Caller
from e2e3d.service.sign_in.tokens import AccessClaims

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


def operator(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
    """A dependency that admits administrators, and programs that send the token of the metrics."""
    _require_operator(request, credentials.credentials if credentials else None)


def is_operator(request: Request) -> bool:
    """Whether a request that anybody may send comes from an operator, where that can be told."""
    token = _token_of_header(request)
    try:
        if token is not None:
            _require_operator(request, token)
        return token is not None
    except E2E3DError:  # also when the database is away
        return False


def _require_operator(request: Request, token: str | None) -> None:
    known = services_of(request).settings.metrics_token
    if known is None or token is None or not hmac.compare_digest(known.encode(), token.encode()):
        _checked(_caller(request, token), ADMIN)


@dataclass(frozen=True)
class DeferredCaller:
    """Who calls, asked for inside the route: one thread and one connection do both, which the busiest route is worth.

    Attributes:
        services: of the application.
    """

    services: Services
    _request: Request
    _token: AccessClaims | KeyHash

    def reader(self, connection: Connection) -> Caller:
        """The caller, as ``Reader`` gives it."""
        return _checked(_known(self._request, self._token, connection), READ)


class _Deferred(SecurityBase):
    """Reads the token; a security scheme by itself, since every dependency of a dependency costs time."""

    model = _bearer.model
    scheme_name = _bearer.scheme_name

    async def __call__(self, request: Request) -> DeferredCaller:
        services = services_of(request)
        return DeferredCaller(services, request, read_token(services.tokens, _token_of_header(request)))


def stream_reader(connection: HTTPConnection, access_token: _AccessToken = None) -> Caller:
    """The caller of an event stream or a WebSocket; the token may stand in the address: browsers send no header."""
    return _checked(_caller(connection, _token_of_header(connection) or access_token), READ)


def _token_of_header(connection: HTTPConnection) -> str | None:
    scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" and credentials else None


def _caller(connection: HTTPConnection, token: str | None) -> Caller:
    services = services_of(connection)
    read = read_token(services.tokens, token)
    with services.database.quick_reading() as database_connection:
        return _known(connection, read, database_connection)


def _known(connection: HTTPConnection, token: AccessClaims | KeyHash, database_connection: Connection) -> Caller:
    state = connection.scope.get("state", {})
    database = services_of(connection).database
    caller = caller_of(database, database_connection, token, state.get("address"), state.get("request_id"))
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
DeferredReader = Annotated[DeferredCaller, Depends(_Deferred())]
Writer = Annotated[Caller, Depends(require(WRITE))]
Admin = Annotated[Caller, Depends(require(ADMIN))]
Operator = Annotated[None, Depends(operator)]
StreamReader = Annotated[Caller, Depends(stream_reader)]


async def _services(connection: HTTPConnection) -> Services:
    """As :func:`services_of`; FastAPI would run one that is not async in a thread, for nothing."""
    return services_of(connection)


ServicesOf = Annotated[Services, Depends(_services)]
