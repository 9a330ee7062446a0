"""``e2e3d webhooks``: addresses that are told of your jobs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from e2e3d.client.clients import Client
from e2e3d.client.commands.group import command
from e2e3d.client.commands.options import Events, Json, Limit, Url
from e2e3d.client.commands.output import moment, put, put_list, put_record, say
from e2e3d.client.commands.service import first, webhook_id
from e2e3d.client.models import Delivery, NewWebhook, Webhook
from e2e3d.errors import SettingsError

app = typer.Typer()
WebhookName = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Id or address of the webhook.")]
DeliveryId = Annotated[str, typer.Argument(metavar="DELIVERY", help="Id of the delivery.")]


@command(app, "list")
def list_webhooks(limit: Limit = 50, as_json: Json = False, url: Url = None) -> int:
    """List your webhooks, newest first."""
    with Client(url) as client:
        found = first(limit, client.list_webhooks)
    put_list(found, ("WEBHOOK", "STATE", "MADE", "EVENTS", "ADDRESS"), _cells, as_json)
    return 0


@command(app)
def create(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where messages are sent to.")],
    events: Events = None,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Register an address and print the secret that verifies its messages, this once."""
    with Client(url) as client:
        made = client.create_webhook(address, events or ())
    _put_secret(made, as_json)
    return 0


@command(app)
def show(webhook: WebhookName, as_json: Json = False, url: Url = None) -> int:
    """Show a webhook."""
    with Client(url) as client:
        found = client.webhook(webhook_id(client, webhook))
    put_record(found, _fields(found), as_json)
    return 0


@command(app)
def edit(
    webhook: WebhookName,
    address: Annotated[str | None, typer.Option(help="Another address.")] = None,
    events: Events = None,
    enable: Annotated[bool | None, typer.Option("--enable/--disable", help="Switch it on or off.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """Change the address or the events of a webhook, or switch it off and on."""
    if address is None and not events and enable is None:
        raise SettingsError("nothing-to-change", "There is nothing to change.", "See e2e3d webhooks edit --help.")
    with Client(url) as client:
        changed = client.change_webhook(webhook_id(client, webhook), address, events or None, enable)
    put_record(changed, _fields(changed), as_json)
    return 0


@command(app)
def delete(webhook: WebhookName, url: Url = None) -> int:
    """Delete a webhook with the log of what was sent to it."""
    with Client(url) as client:
        found = webhook_id(client, webhook)
        client.delete_webhook(found)
    say(f"Deleted {found}.")
    return 0


@command(app)
def rotate(webhook: WebhookName, as_json: Json = False, url: Url = None) -> int:
    """Give a webhook a new secret and print it; the old one goes on signing for a day."""
    with Client(url) as client:
        _put_secret(client.rotate_webhook_secret(webhook_id(client, webhook)), as_json)
    return 0


@command(app)
def ping(webhook: WebhookName, as_json: Json = False, url: Url = None) -> int:
    """Send a test message now and say how it was answered; exit code 6 if it did not arrive."""
    with Client(url) as client:
        sent = client.ping_webhook(webhook_id(client, webhook))
    put_record(sent, _delivery_fields(sent), as_json)
    return 0 if sent.state == "delivered" else 6


@command(app)
def deliveries(
    webhook: Annotated[
        str | None, typer.Argument(metavar="[WEBHOOK]", help="Only what was sent to this one, by id or address.")
    ] = None,
    limit: Limit = 20,
    as_json: Json = False,
    url: Url = None,
) -> int:
    """List what was sent for you, newest first, also to the addresses of single jobs."""
    with Client(url) as client:
        only = None if webhook is None else webhook_id(client, webhook)
        found = first(limit, lambda size, cursor: client.list_deliveries(size, cursor, only))
    put_list(found, ("DELIVERY", "STATE", "ANSWER", "TRIES", "MADE", "EVENT", "ADDRESS"), _delivery_cells, as_json)
    return 0


@command(app)
def delivery(delivery: DeliveryId, as_json: Json = False, url: Url = None) -> int:
    """Show a message that was sent, and how it was answered."""
    with Client(url) as client:
        found = client.delivery(delivery)
    put_record(found, _delivery_fields(found), as_json)
    return 0


@command(app)
def replay(delivery: DeliveryId, as_json: Json = False, url: Url = None) -> int:
    """Send a message once more."""
    with Client(url) as client:
        sent = client.replay_delivery(delivery)
    put(sent.model_dump_json() if as_json else sent.id)
    return 0


@command(app)
def secret(as_json: Json = False, url: Url = None) -> int:
    """Print the secret that verifies messages to the addresses of single jobs (submit --webhook)."""
    with Client(url) as client:
        found = client.job_webhook_secret()
    put(json.dumps({"secret": found}) if as_json else found)
    return 0


def _put_secret(made: NewWebhook, as_json: bool) -> None:
    say(f"The webhook {made.webhook.id}. Keep its secret safe: it is not shown again.")
    put(made.model_dump_json() if as_json else made.secret)


def _fields(one: Webhook) -> dict[str, str | None]:
    return {
        "webhook": one.id,
        "address": one.url,
        "state": _state(one),
        "events": _events(one),
        "made": moment(one.created_at),
        "old secret until": moment(one.previous_secret_until),
    }


def _cells(one: Webhook) -> tuple[str, ...]:
    return one.id, _state(one), moment(one.created_at), _events(one), one.url


def _delivery_fields(one: Delivery) -> dict[str, str | None]:
    return {
        "delivery": one.id,
        "state": one.state,
        "answer": None if one.status_code is None else str(one.status_code),
        "response": one.response,
        "tries": str(one.attempts),
        "next try": moment(one.next_attempt_at) if one.state == "pending" else None,
        "event": one.event_type,
        "job": one.job_id,
        "address": one.url,
        "message": one.message_id,
        "made": moment(one.created_at),
        "delivered": moment(one.delivered_at),
        "payload": json.dumps(one.payload),
    }


def _delivery_cells(one: Delivery) -> tuple[str, ...]:
    answer = "" if one.status_code is None else str(one.status_code)
    return one.id, one.state, answer, str(one.attempts), moment(one.created_at), one.event_type, one.url


def _state(one: Webhook) -> str:
    return "on" if one.enabled else "off"


def _events(one: Webhook) -> str:
    return ",".join(one.event_types) or "all"
