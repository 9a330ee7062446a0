"""Records of what jobs have made."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class ResultRecord:
    """A file that a job made; `key` is where its bytes lie in the store."""

    id: str
    job_id: str
    path: str
    media_type: str
    bytes: int
    sha256: str
    key: str
    created_at: datetime.datetime
