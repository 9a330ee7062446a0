"""Events as the service handles them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EventRecord:
    """Something that happened to a job."""

    id: int
    user_id: str
    job_id: str | None
    type: str
    data: Mapping[str, Any]
    at: datetime.datetime
