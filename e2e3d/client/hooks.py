"""Webhooks: register, test, change, remove; see what was sent and send it again."""

from __future__ import annotations

from collections.abc import Sequence

from e2e3d.client.exchange import exchange
from e2e3d.client.flow import Flow
from e2e3d.client.models import Delivery, NewWebhook, Page, Webhook
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, path


def create_webhook(session: Session, url: str, event_types: Sequence[str] = ()) -> Flow[NewWebhook]:
    """Register an address; the answer holds the secret that verifies its messages, this once."""
    body = {"url": url, "event_types": list(event_types)}
    reply = yield from exchange(session, Call("POST", path("webhooks"), json=body))
    return NewWebhook.model_validate(reply.json())


def list_webhooks(session: Session, limit: int | None = None, cursor: str | None = None) -> Flow[Page[Webhook]]:
    """Your webhooks, newest first."""
    call = Call("GET", path("webhooks"), {"limit": limit, "cursor": cursor})
    return Page[Webhook].model_validate((yield from exchange(session, call)).json())


def webhook(session: Session, webhook_id: str) -> Flow[Webhook]:
    """A webhook as it is now. Raises NotFoundError."""
    return Webhook.model_validate((yield from exchange(session, Call("GET", path("webhooks", webhook_id)))).json())


def change_webhook(
    session: Session,
    webhook_id: str,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    enabled: bool | None = None,
) -> Flow[Webhook]:
    """Change the address or the events of a webhook, or switch it off and on; what is None stays."""
    events = None if event_types is None else list(event_types)
    body = {"url": url, "event_types": events, "enabled": enabled}
    given = {name: value for name, value in body.items() if value is not None}
    call = Call("PATCH", path("webhooks", webhook_id), json=given, repeatable=True)
    return Webhook.model_validate((yield from exchange(session, call)).json())


def delete_webhook(session: Session, webhook_id: str) -> Flow[None]:
    """Remove a webhook."""
    yield from exchange(session, Call("DELETE", path("webhooks", webhook_id)))


def rotate_webhook_secret(session: Session, webhook_id: str) -> Flow[NewWebhook]:
    """Give a webhook a new secret; the old one goes on signing for a day."""
    reply = yield from exchange(session, Call("POST", path("webhooks", webhook_id, "rotate-secret")))
    return NewWebhook.model_validate(reply.json())


def ping_webhook(session: Session, webhook_id: str) -> Flow[Delivery]:
    """Send a test message and say how it was answered."""
    reply = yield from exchange(session, Call("POST", path("webhooks", webhook_id, "ping")))
    return Delivery.model_validate(reply.json())


def list_deliveries(
    session: Session, limit: int | None = None, cursor: str | None = None, webhook_id: str | None = None
) -> Flow[Page[Delivery]]:
    """What was sent for you, newest first: to one webhook, or, without one, to all and to the `webhook_url` of jobs."""
    where = path("webhook-deliveries") if webhook_id is None else path("webhooks", webhook_id, "deliveries")
    call = Call("GET", where, {"limit": limit, "cursor": cursor})
    return Page[Delivery].model_validate((yield from exchange(session, call)).json())


def delivery(session: Session, delivery_id: str) -> Flow[Delivery]:
    """One delivery. Raises NotFoundError."""
    reply = yield from exchange(session, Call("GET", path("webhook-deliveries", delivery_id)))
    return Delivery.model_validate(reply.json())


def replay_delivery(session: Session, delivery_id: str) -> Flow[Delivery]:
    """Send a message once more, under the same message id."""
    reply = yield from exchange(session, Call("POST", path("webhook-deliveries", delivery_id, "replay")))
    return Delivery.model_validate(reply.json())


def job_webhook_secret(session: Session) -> Flow[str]:
    """The secret that verifies messages to the `webhook_url` of your jobs."""
    document = (yield from exchange(session, Call("GET", path("webhook-secret")))).json()
    return str(document["secret"])
