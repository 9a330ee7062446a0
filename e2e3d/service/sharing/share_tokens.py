"""The part of an address that lets others in: ``<id>.<HMAC-SHA256>`` under a key of its own.

It can be shown again whenever its owner asks, and the database holds nothing that opens a model.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

_PURPOSE = b"e2e3d shares 1"


def token_of(secret: str, share_id: str) -> str:
    """The token of a share."""
    key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
    digest = hmac.digest(key, share_id.encode("utf-8", "replace"), hashlib.sha256)
    return f"{share_id}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def share_of(secret: str, token: str) -> str | None:
    """The share's id; None when the token is not ours."""
    share_id = token.partition(".")[0]
    genuine = hmac.compare_digest(token_of(secret, share_id).encode(), token.encode("utf-8", "replace"))
    return share_id if genuine else None
