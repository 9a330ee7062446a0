"""Sign-ins on their way, which the browser carries: signed, and good for ten minutes."""

from __future__ import annotations

import dataclasses
import datetime
import hmac
import secrets

import jwt

from e2e3d.service.open_id.records import Attempt
from e2e3d.service.open_id.refusals import OpenIdRefused

GOOD_FOR = datetime.timedelta(minutes=10)
_PURPOSE = b"e2e3d open id attempt"


class AttemptSigner:
    """Signs attempts with a key derived from the service's secret key."""

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), _PURPOSE, "sha256")

    def sign(self, attempt: Attempt, now: datetime.datetime) -> str:
        """What the browser carries."""
        return jwt.encode(dataclasses.asdict(attempt) | {"exp": now + GOOD_FOR}, self._key, algorithm="HS256")

    def read(self, carried: str | None, state: str) -> Attempt:
        """The attempt whose answer has come.

        Raises:
            OpenIdRefused: ``oidc-state``: it was not begun in this browser, or too long ago.
        """
        try:
            said = jwt.decode(carried or "", self._key, algorithms=["HS256"], options={"require": ["exp"]})
            attempt = Attempt(**{each.name: str(said[each.name]) for each in dataclasses.fields(Attempt)})
        except (jwt.InvalidTokenError, KeyError) as error:
            raise OpenIdRefused("oidc-state", f"the attempt is not good: {type(error).__name__}") from error
        if not hmac.compare_digest(attempt.state.encode(), state.encode("utf-8", "replace")):
            raise OpenIdRefused("oidc-state", "the answer belongs to another attempt")
        return attempt


def new_attempt(to: str) -> Attempt:
    """A sign-in that begins."""
    return Attempt(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), to)
