"""From a token to the user behind it: one query, which also refuses disabled users and logins that have ended."""

from __future__ import annotations

from dataclasses import dataclass

import jwt

from e2e3d.service.accounts.records import Actor
from e2e3d.service.database import Connection, Database
from e2e3d.service.database.table_base import now
from e2e3d.service.http.problems import ProblemError
from e2e3d.service.sign_in import queries as tokens
from e2e3d.service.sign_in.caller import Caller
from e2e3d.service.sign_in.tokens import KEY_PREFIX, AccessClaims, TokenSigner, hash_of

_MAX_LENGTH = 2048


@dataclass(frozen=True)
class KeyHash:
    """The hash of an API key that somebody sent."""

    value: str


def read_token(signer: TokenSigner, token: str | None) -> AccessClaims | KeyHash:
    """What a token says by itself; whether that still holds, the database says.

    Raises:
        ProblemError: ``login-required``, ``token-expired`` or ``token-invalid`` (401).
    """
    if not token:
        raise unauthorised("login-required", "The request has no token.", "Log in, or send an API key.")
    if len(token) > _MAX_LENGTH:
        raise _invalid()
    if token.startswith(KEY_PREFIX):
        return KeyHash(hash_of(token))
    try:
        return signer.read(token)
    except jwt.ExpiredSignatureError as error:
        raise unauthorised(
            "token-expired", "The access token has expired.", "Get a new one from /v1/auth/refresh."
        ) from error
    except (jwt.InvalidTokenError, ValueError) as error:
        raise _invalid() from error


def caller_of(
    database: Database,
    connection: Connection,
    token: AccessClaims | KeyHash,
    address: str | None,
    request_id: str | None,
) -> Caller:
    """The user of an access token or an API key, read through `connection`.

    Raises:
        ProblemError: ``token-invalid`` (401), also for a disabled or deleted user and a login that has ended.
    """
    if isinstance(token, KeyHash):
        return _caller_of_key(database, connection, token, address, request_id)
    user = tokens.user_of_login(connection, token.user_id, token.login)
    if user is None:
        raise _invalid()
    return Caller(user, user.scopes, Actor(user.id, address, request_id), token.login)


def _caller_of_key(
    database: Database, connection: Connection, key: KeyHash, address: str | None, request_id: str | None
) -> Caller:
    at = now()
    found = tokens.user_of_api_key(connection, key.value, at)
    if found is None:
        raise _invalid()
    user, record = found
    if tokens.use_is_stale(record, at):
        with database.session() as session:
            tokens.note_use(session, record, at)
    return Caller(user, user.scopes & frozenset(record.scopes), Actor(user.id, address, request_id))


def _invalid() -> ProblemError:
    return unauthorised("token-invalid", "The token is not valid, or its login has ended.", "Log in again.")


def unauthorised(code: str, message: str, hint: str) -> ProblemError:
    """401 with the challenge that RFC 6750 asks for."""
    challenge = "Bearer" if code == "login-required" else f'Bearer error="invalid_token", error_description="{code}"'
    return ProblemError(401, code, message, hint, {"WWW-Authenticate": challenge})
