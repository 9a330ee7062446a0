"""Addresses of results that anybody may use until they expire, for stores that cannot sign any themselves.

A token is ``<expiry>.<result id>.<HMAC-SHA256 of both>`` under a key of its own, derived from the deployment's secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from e2e3d.service.http.problems import ProblemError

_PURPOSE = b"e2e3d result links 1"
_HINT = "Ask for another address with POST /v1/jobs/{job_id}/result-links."


def sign_link(secret: str, result_id: str, expires_at_s: int) -> str:
    """The token for a result; `expires_at_s` is in seconds since 1970."""
    return f"{expires_at_s}.{result_id}.{_signature(secret, f'{expires_at_s}.{result_id}')}"


def open_link(secret: str, token: str, now_s: float) -> str:
    """The result's id.

    Raises:
        ProblemError: ``link-forged`` or ``link-expired`` (403).
    """
    said, _, signature = token.rpartition(".")
    expected = _signature(secret, said)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        raise ProblemError(403, "link-forged", "The address was not made by this service.", _HINT)
    expires, _, result_id = said.partition(".")
    if now_s > int(expires):
        raise ProblemError(403, "link-expired", "The address has expired.", _HINT)
    return result_id


def _signature(secret: str, text: str) -> str:
    key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
    digest = hmac.digest(key, text.encode("utf-8", "replace"), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
