"""Records of what is shared."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class ShareRecord:
    """An address by which anybody may look at the model of a job.

    Attributes:
        password_hash: of the password that it asks for; None without one.
        expires_at: None = it does not expire by itself.
    """

    id: str
    job_id: str
    password_hash: str | None
    created_at: datetime.datetime
    expires_at: datetime.datetime | None
