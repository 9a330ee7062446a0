"""Access tokens (JWT, RFC 7519, HS256), refresh tokens and API keys: made here, never kept in plain text."""

from __future__ import annotations

import datetime
import functools
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

import jwt

KEY_PREFIX = "e2e_"
_REFRESH_PREFIX = "e2r_"
_LINK_PREFIX = "e2l_"
_ISSUER = "e2e3d"
_SHOWN = 12
_REMEMBERED = 4096


@dataclass(frozen=True)
class AccessClaims:
    """What an access token says: the user, and the login that it came from."""

    user_id: str
    login: str


@dataclass(frozen=True)
class Secret:
    """A new secret for a user, the hash to keep, and the part that may be shown later."""

    value: str
    hash: str
    prefix: str


class TokenSigner:
    """Signs access tokens with a key derived from the service's secret key."""

    def __init__(self, secret_key: str, good_for_s: int) -> None:
        self._key = hmac.digest(secret_key.encode(), b"e2e3d access token", "sha256")
        self._verified = functools.lru_cache(_REMEMBERED)(self._verify)
        self.good_for_s = good_for_s

    def sign(self, user_id: str, login: str, now: datetime.datetime) -> str:
        """A token that is good from `now` on."""
        claims = {
            "iss": _ISSUER,
            "sub": user_id,
            "sid": login,
            "iat": now,
            "exp": now + datetime.timedelta(seconds=self.good_for_s),
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def read(self, token: str) -> AccessClaims:
        """What a token says. What was verified once is remembered; whether its login still holds is not asked here.

        Raises:
            jwt.ExpiredSignatureError: it is too old.
            jwt.InvalidTokenError: it is not ours, or was changed.
        """
        claims, expires_s = self._verified(token)
        if expires_s <= time.time():
            raise jwt.ExpiredSignatureError("the token has expired")
        return claims

    def _verify(self, token: str) -> tuple[AccessClaims, float]:
        options = {"require": ["exp", "iat", "sub", "sid", "iss"]}
        claims = jwt.decode(token, self._key, algorithms=["HS256"], issuer=_ISSUER, options=options)  # type: ignore[arg-type]
        user_id, login = claims["sub"], claims["sid"]
        if not isinstance(login, str) or len(login) > 64 or "\0" in login + user_id:
            raise jwt.InvalidTokenError("the session is not valid")
        return AccessClaims(user_id, login), float(claims["exp"])


def new_refresh_token() -> Secret:
    """A new random refresh token."""
    return _secret(_REFRESH_PREFIX)


def new_api_key() -> Secret:
    """A new random API key."""
    return _secret(KEY_PREFIX)


def new_link_token() -> Secret:
    """A new random token for a sign-in link."""
    return _secret(_LINK_PREFIX)


def hash_of(secret: str) -> str:
    """The hash that a random secret is kept as; it has 256 bits of randomness, so a fast hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _secret(prefix: str) -> Secret:
    value = prefix + secrets.token_urlsafe(32)
    return Secret(value, hash_of(value), value[:_SHOWN])
