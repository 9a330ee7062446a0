"""Signatures of webhooks, as Standard Webhooks describe them (https://www.standardwebhooks.com).

The database holds a random salt, not the secret: the secret is derived from the salt with the deployment's secret key,
so a copy of the database does not let anyone sign.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from standardwebhooks.webhooks import Webhook


def new_salt() -> str:
    """Random, for a new webhook or a new secret of an old one."""
    return secrets.token_urlsafe(24)


def job_salt(user_id: str) -> str:
    """Of the webhooks that are named in a job instead of being registered: one secret for each user."""
    return f"jobs-of:{user_id}"


def signing_secret(secret_key: str, salt: str) -> str:
    """The secret that a receiver verifies with, ``whsec_…``."""
    digest = hmac.new(secret_key.encode(), f"e2e3d-webhook:{salt}".encode(), hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(digest).decode()}"


def signed_headers(
    message_id: str, now: datetime.datetime, body: str, signing_secrets: Sequence[str]
) -> dict[str, str]:
    """The three headers; two secrets give two signatures, so that a receiver can change over without a gap."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, now, body) for secret in signing_secrets),
    }
