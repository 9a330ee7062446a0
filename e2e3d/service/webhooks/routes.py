"""Webhooks: register an address, test it, see what was sent to it, send it again."""

from __future__ import annotations

import datetime

from fastapi import APIRouter, status

from e2e3d.service.administration import audit
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.paging import Cursor, Limit, page_of, position_of
from e2e3d.service.http.problems import ProblemError, missing, problem_responses
from e2e3d.service.http.user_threads import in_user_threads
from e2e3d.service.http.wire import Page
from e2e3d.service.services import Services
from e2e3d.service.sign_in.dependencies import Reader, ServicesOf, Writer
from e2e3d.service.webhooks import queries as webhooks
from e2e3d.service.webhooks.records import DeliveryRecord, WebhookRecord
from e2e3d.service.webhooks.sender import WebhookSender, deliver_now
from e2e3d.service.webhooks.signing import job_salt, new_salt, signing_secret
from e2e3d.service.webhooks.wire import Delivery, JobWebhookSecret, Webhook, WebhookChange, WebhookIn, WebhookWithSecret

router = APIRouter(prefix="/v1", tags=["webhooks"], responses=problem_responses(401, 403, 422, 429, 503))

MAX_WEBHOOKS = 20
OLD_SECRET_LASTS = datetime.timedelta(hours=24)


@router.post(
    "/webhooks", status_code=status.HTTP_201_CREATED, responses=problem_responses(409), summary="Register a webhook"
)
@in_user_threads
def create_webhook(wanted: WebhookIn, caller: Writer, services: ServicesOf) -> WebhookWithSecret:
    """Register an address that is told of your jobs.

    Messages are signed as [Standard Webhooks](https://www.standardwebhooks.com) say; the answer holds the secret to
    verify them with, this once. Addresses in private networks are refused unless the deployment allows them.
    """
    sender_of(services).guard.check(wanted.url)
    salt = new_salt()
    with services.database.session() as session:
        if webhooks.count(session, caller.id) >= MAX_WEBHOOKS:
            raise ProblemError(
                409, "too-many-webhooks", f"You have {MAX_WEBHOOKS} webhooks already.", "Delete one that is not needed."
            )
        record = webhooks.create(session, caller.id, wanted.url, wanted.event_types, salt, _now())
        audit.record(session, caller.actor, "webhook.create", "webhook", record.id, url=wanted.url)
    return _with_secret(services, record)


@router.get("/webhooks", summary="List webhooks")
def list_webhooks(caller: Reader, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None) -> Page[Webhook]:
    """Your webhooks, newest first."""
    with services.database.reading() as session:
        found = webhooks.listed(session, caller.id, limit + 1, position_of(cursor))
    kept, following = page_of(found, limit, lambda record: (record.created_at, record.id))
    return Page(items=tuple(Webhook.of(record) for record in kept), next_cursor=following)


@router.get("/webhooks/{webhook_id}", responses=problem_responses(404), summary="Look at a webhook")
def get_webhook(webhook_id: ResourceId, caller: Reader, services: ServicesOf) -> Webhook:
    """One webhook."""
    with services.database.reading() as session:
        return Webhook.of(_found(webhooks.find(session, caller.id, webhook_id)))


@router.patch("/webhooks/{webhook_id}", responses=problem_responses(404), summary="Change a webhook")
@in_user_threads
def change_webhook(webhook_id: ResourceId, wanted: WebhookChange, caller: Writer, services: ServicesOf) -> Webhook:
    """Change the address or the events, or switch a webhook off and on; messages that wait go to the new address."""
    if wanted.url is not None:
        sender_of(services).guard.check(wanted.url)
    with services.database.session() as session:
        record = webhooks.change(session, caller.id, webhook_id, wanted.url, wanted.event_types, wanted.enabled)
        changed = _found(record)
        said = wanted.model_dump(exclude_unset=True)
        audit.record(session, caller.actor, "webhook.change", "webhook", webhook_id, **said)
    return Webhook.of(changed)


@router.delete(
    "/webhooks/{webhook_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(404),
    summary="Delete a webhook",
)
def delete_webhook(webhook_id: ResourceId, caller: Writer, services: ServicesOf) -> None:
    """Remove a webhook with its delivery log; messages that wait are not sent."""
    with services.database.session() as session:
        if not webhooks.remove(session, caller.id, webhook_id):
            raise missing("webhook")
        audit.record(session, caller.actor, "webhook.delete", "webhook", webhook_id)


@router.post(
    "/webhooks/{webhook_id}/rotate-secret", responses=problem_responses(404), summary="Change the secret of a webhook"
)
def rotate_secret(webhook_id: ResourceId, caller: Writer, services: ServicesOf) -> WebhookWithSecret:
    """Change the secret. For 24 hours messages carry two signatures, by the new secret and by the old one."""
    now = _now()
    with services.database.session() as session:
        record = _found(webhooks.rotate(session, caller.id, webhook_id, new_salt(), now + OLD_SECRET_LASTS))
        audit.record(session, caller.actor, "webhook.rotate-secret", "webhook", webhook_id)
    return _with_secret(services, record)


@router.post("/webhooks/{webhook_id}/ping", responses=problem_responses(404), summary="Test a webhook")
@in_user_threads
def ping_webhook(webhook_id: ResourceId, caller: Writer, services: ServicesOf) -> Delivery:
    """Send a test message now, once, and say how the receiver answered."""
    now = _now()
    with services.database.session() as session:
        record = _found(webhooks.find(session, caller.id, webhook_id))
        ping = webhooks.enqueue_ping(session, record, now)
    return Delivery.of(deliver_now(services.database, sender_of(services), ping, now))


@router.get(
    "/webhooks/{webhook_id}/deliveries", responses=problem_responses(404), summary="List what a webhook was sent"
)
def list_deliveries_of_webhook(
    webhook_id: ResourceId, caller: Reader, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None
) -> Page[Delivery]:
    """What was sent to a webhook, newest first."""
    with services.database.reading() as session:
        _found(webhooks.find(session, caller.id, webhook_id))
        found = webhooks.deliveries(session, caller.id, limit + 1, webhook_id, position_of(cursor))
    return _page(found, limit)


@router.get("/webhook-deliveries", summary="List deliveries")
def list_deliveries(caller: Reader, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None) -> Page[Delivery]:
    """Everything that was sent for you, also to the `webhook_url` of jobs, newest first."""
    with services.database.reading() as session:
        found = webhooks.deliveries(session, caller.id, limit + 1, None, position_of(cursor))
    return _page(found, limit)


@router.get("/webhook-deliveries/{delivery_id}", responses=problem_responses(404), summary="Look at a delivery")
def get_delivery(delivery_id: ResourceId, caller: Reader, services: ServicesOf) -> Delivery:
    """One delivery."""
    with services.database.reading() as session:
        return Delivery.of(_sent(webhooks.find_delivery(session, caller.id, delivery_id)))


@router.post(
    "/webhook-deliveries/{delivery_id}/replay",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problem_responses(404, 409),
    summary="Send a message again",
)
def replay_delivery(delivery_id: ResourceId, caller: Writer, services: ServicesOf) -> Delivery:
    """Send a message once more, under the same `webhook-id`, to the present address of its webhook."""
    with services.database.session() as session:
        record = _sent(webhooks.find_delivery(session, caller.id, delivery_id))
        if record.event_id is None:
            raise ProblemError(409, "only-a-test", "This was a test message.", "Test the webhook again instead.")
        webhook = None if record.webhook_id is None else webhooks.find(session, caller.id, record.webhook_id)
        return Delivery.of(webhooks.replay(session, record, record.url if webhook is None else webhook.url, _now()))


@router.get("/webhook-secret", summary="The secret of your jobs' webhooks")
def get_job_webhook_secret(caller: Writer, services: ServicesOf) -> JobWebhookSecret:
    """The secret that verifies messages to the `webhook_url` of your jobs; it stays the same."""
    return JobWebhookSecret(secret=signing_secret(_key(services), job_salt(caller.id)))


def sender_of(services: Services) -> WebhookSender:
    """The sender that the settings describe."""
    return WebhookSender.allowing(_key(services), services.settings.webhook_allowed_networks)


def _with_secret(services: Services, record: WebhookRecord) -> WebhookWithSecret:
    return WebhookWithSecret(webhook=Webhook.of(record), secret=signing_secret(_key(services), record.salt))


def _key(services: Services) -> str:
    assert services.settings.secret_key is not None, "load_service_settings gives the settings a key"
    return services.settings.secret_key


def _found(record: WebhookRecord | None) -> WebhookRecord:
    if record is None:
        raise missing("webhook")
    return record


def _sent(record: DeliveryRecord | None) -> DeliveryRecord:
    if record is None:
        raise ProblemError(404, "delivery-missing", "There is no such delivery.", "List deliveries to see their ids.")
    return record


def _page(found: tuple[DeliveryRecord, ...], limit: int) -> Page[Delivery]:
    kept, following = page_of(found, limit, lambda record: (record.created_at, record.id))
    return Page(items=tuple(Delivery.of(record) for record in kept), next_cursor=following)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
