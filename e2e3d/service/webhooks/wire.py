"""Webhooks and their deliveries as the API shows them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field

from e2e3d.service.http.wire import RequestModel, ResponseModel, values

if TYPE_CHECKING:
    from e2e3d.service.webhooks import records

EventType = Literal["job.queued", "job.running", "job.succeeded", "job.failed", "job.cancelled"]
_URL = Field(min_length=1, max_length=2048, examples=["https://example.com/e2e3d-hook"])
_TYPES = Field(max_length=20, description="Which events are sent; an empty list means all of them.")


class WebhookIn(RequestModel):
    """An address that is to be told of your jobs."""

    url: str = _URL
    event_types: list[EventType] = Field(default=[], max_length=20, description="Empty means all.")


class WebhookChange(RequestModel):
    """What is to be different; what is left out stays."""

    url: str | None = Field(default=None, min_length=1, max_length=2048)
    event_types: list[EventType] | None = Field(default=None, max_length=20)
    enabled: bool | None = None


class Webhook(ResponseModel):
    """An address that is told of your jobs."""

    id: str
    url: str = _URL
    event_types: tuple[Annotated[str, values(*get_args(EventType))], ...] = _TYPES
    enabled: bool = Field(description="False after the receiver has answered 410 Gone.")
    created_at: datetime.datetime
    previous_secret_until: datetime.datetime | None = Field(
        description="Until then messages carry a second signature, by the secret before the last change."
    )

    @classmethod
    def of(cls, record: records.WebhookRecord) -> Webhook:
        """From a record."""
        return cls.from_record(record, previous_secret_until=record.previous_until)


class WebhookWithSecret(ResponseModel):
    """A webhook, and the secret that its messages are signed with: it is shown this once."""

    webhook: Webhook
    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class JobWebhookSecret(ResponseModel):
    """The secret that messages to the `webhook_url` of your jobs are signed with."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class Delivery(ResponseModel):
    """One message for one address, and how it went."""

    id: str
    webhook_id: str | None = Field(description="Null for the `webhook_url` of a job.")
    job_id: str | None
    message_id: str = Field(description="The header `webhook-id`: the same in every attempt and replay.")
    event_type: str
    url: str
    state: Annotated[str, values("pending", "delivered", "failed")]
    attempts: int
    next_attempt_at: datetime.datetime | None
    status_code: int | None = Field(description="Of the last answer.")
    response: str | None = Field(description="The beginning of the last answer, or why there was none.")
    payload: dict[str, Any]
    created_at: datetime.datetime
    delivered_at: datetime.datetime | None

    @classmethod
    def of(cls, record: records.DeliveryRecord) -> Delivery:
        """From a record."""
        return cls.from_record(record)
