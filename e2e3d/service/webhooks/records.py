"""Records of webhooks and their deliveries."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EVENT_TYPES = ("job.queued", "job.running", "job.succeeded", "job.failed", "job.cancelled")
"""What a webhook can ask for: the changes of a job's state."""


@dataclass(frozen=True)
class WebhookRecord:
    """An address that is told of a user's events.

    Attributes:
        event_types: what it asked for; empty = all of EVENT_TYPES.
        enabled: a receiver that answers 410 Gone is not called again.
        salt: what the signing secret is derived from; `previous_salt` still signs until `previous_until`.
    """

    id: str
    user_id: str
    url: str
    event_types: tuple[str, ...]
    enabled: bool
    created_at: datetime.datetime
    salt: str
    previous_salt: str | None
    previous_until: datetime.datetime | None


@dataclass(frozen=True)
class DeliveryRecord:
    """One message for one address.

    Attributes:
        webhook_id: None for the address that a job names itself.
        state: ``pending``, ``delivered`` or ``failed``.
        attempts: begun so far; it also fences the outcome of an attempt whose lease has run out.
        next_attempt_at: of a pending delivery; while an attempt runs, the end of its lease.
        response: the beginning of the receiver's answer, or why there was none.
        payload: the message: type, timestamp, data.
    """

    id: str
    webhook_id: str | None
    user_id: str
    job_id: str | None
    event_id: int | None
    event_type: str
    url: str
    state: str
    attempts: int
    next_attempt_at: datetime.datetime | None
    status_code: int | None
    response: str | None
    created_at: datetime.datetime
    delivered_at: datetime.datetime | None
    payload: Mapping[str, Any]

    @property
    def message_id(self) -> str:
        """The identity of the message, the same in every attempt and replay: receivers drop what they have seen."""
        return f"msg_{self.event_id}" if self.event_id is not None else f"msg_{self.id}"


@dataclass(frozen=True)
class ClaimedDelivery:
    """A delivery that this process may attempt now, with its webhook (None for a job's own address)."""

    delivery: DeliveryRecord
    webhook: WebhookRecord | None


@dataclass(frozen=True)
class DeliveryOutcome:
    """How an attempt ended.

    Attributes:
        delivered: the receiver took it.
        gone: the receiver wants no more messages.
        retry_at: when the next attempt is due; None = there is none.
    """

    delivered: bool
    status_code: int | None
    response: str
    at: datetime.datetime
    retry_at: datetime.datetime | None = None
    gone: bool = False
