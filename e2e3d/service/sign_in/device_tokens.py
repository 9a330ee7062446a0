"""Tokens of devices: whoever has logged in to an account from a device may try again, whatever strangers try meanwhile.

The method is that of device cookies (https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies).
A token is ``e2d_<day>.<random>.<HMAC-SHA256 of both and the account>`` under a key of its own. It opens nothing by
itself, and is good for a year; every login gives a new one.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import secrets

_PREFIX = "e2d_"
_PURPOSE = b"e2e3d device token 1"
_GOOD_FOR_DAYS = 365


class DeviceTokens:
    """Makes and reads tokens of devices, with a key derived from the service's secret key."""

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), _PURPOSE, hashlib.sha256)

    def new(self, email: str, at: datetime.datetime) -> str:
        """A token for a device that has just logged in."""
        said = f"{at.toordinal()}.{secrets.token_urlsafe(12)}"
        return f"{_PREFIX}{said}.{self._signature(said, email)}"

    def device_of(self, token: str | None, email: str, at: datetime.datetime) -> str | None:
        """The device that a token names; None when it is not ours, of another account, or too old."""
        said, _, signature = (token or "").removeprefix(_PREFIX).rpartition(".")
        if not hmac.compare_digest(self._signature(said, email).encode(), signature.encode("utf-8", "replace")):
            return None
        day, _, device = said.partition(".")
        return device if at.toordinal() - int(day) <= _GOOD_FOR_DAYS else None

    def _signature(self, said: str, email: str) -> str:
        text = f"{said} {email.strip().lower()}".encode("utf-8", "surrogatepass")
        return base64.urlsafe_b64encode(hmac.digest(self._key, text, hashlib.sha256)).decode().rstrip("=")
