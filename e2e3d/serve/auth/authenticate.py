"""From a token to the user behind it: one query, which also refuses disabled users and logins that have ended."""

from __future__ import annotations

import jwt

from e2e3d.data.service.accounts import Actor, User
from e2e3d.serve.auth.caller import Caller
from e2e3d.serve.auth.tokens import KEY_PREFIX, hash_of
from e2e3d.serve.problems import ProblemError
from e2e3d.serve.services import Services
from e2e3d.storage.database.models import now
from e2e3d.storage.database.repository import tokens

_MAX_LENGTH = 2048


def caller_of(services: Services, token: str | None, address: str | None, request_id: str | None) -> Caller:
    """The user of an access token or an API key.

    Raises:
        ProblemError: ``login-required``, ``token-expired`` or ``token-invalid`` (401).
    """
    if not token:
        raise unauthorised("login-required", "The request has no token.", "Log in, or send an API key.")
    if len(token) > _MAX_LENGTH:
        raise _invalid()
    if token.startswith(KEY_PREFIX):
        return _caller_of_key(services, token, address, request_id)
    try:
        claims = services.tokens.read(token)
    except jwt.ExpiredSignatureError as error:
        raise unauthorised(
            "token-expired", "The access token has expired.", "Get a new one from /v1/auth/refresh."
        ) from error
    except (jwt.InvalidTokenError, ValueError) as error:
        raise _invalid() from error
    with services.database.quick_reading() as connection:
        user = tokens.user_of_login(connection, claims.user_id, claims.login)
    if user is None:
        raise _invalid()
    return Caller(user, user.scopes, _actor(user, address, request_id), claims.login)


def _caller_of_key(services: Services, key: str, address: str | None, request_id: str | None) -> Caller:
    at = now()
    with services.database.quick_reading() as connection:
        found = tokens.user_of_api_key(connection, hash_of(key), at)
    if found is None:
        raise _invalid()
    user, record = found
    if tokens.use_is_stale(record, at):
        with services.database.session() as session:
            tokens.note_use(session, record, at)
    return Caller(user, user.scopes & frozenset(record.scopes), _actor(user, address, request_id))


def _actor(user: User, address: str | None, request_id: str | None) -> Actor:
    return Actor(user.id, address, request_id)


def _invalid() -> ProblemError:
    return unauthorised("token-invalid", "The token is not valid, or its login has ended.", "Log in again.")


def unauthorised(code: str, message: str, hint: str) -> ProblemError:
    """401 with the challenge that RFC 6750 asks for."""
    challenge = "Bearer" if code == "login-required" else f'Bearer error="invalid_token", error_description="{code}"'
    return ProblemError(401, code, message, hint, {"WWW-Authenticate": challenge})
