"""Webhooks and their deliveries."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, select, tuple_, update
from sqlalchemy.orm import Session

from e2e3d.service.webhooks.records import EVENT_TYPES, ClaimedDelivery, DeliveryOutcome, DeliveryRecord, WebhookRecord
from e2e3d.service.webhooks.tables import WebhookDeliveryRow, WebhookRow

Position = tuple[datetime.datetime, str]


def create(
    session: Session, user_id: str, url: str, event_types: Sequence[str], salt: str, now: datetime.datetime
) -> WebhookRecord:
    """Register an address."""
    row = WebhookRow(user_id=user_id, url=url, event_types=list(event_types), secret=salt, created_at=now)
    session.add(row)
    session.flush()
    return _webhook(row)


def count(session: Session, user_id: str) -> int:
    """How many webhooks a user has."""
    return len(session.scalars(select(WebhookRow.id).where(WebhookRow.user_id == user_id)).all())


def find(session: Session, user_id: str, webhook_id: str) -> WebhookRecord | None:
    """A webhook of this user."""
    row = _row(session, user_id, webhook_id)
    return None if row is None else _webhook(row)


def listed(session: Session, user_id: str, limit: int, after: Position | None = None) -> tuple[WebhookRecord, ...]:
    """The webhooks of a user, newest first, those after the position (created_at, id)."""
    wanted = [WebhookRow.user_id == user_id, *_after(WebhookRow, after)]
    rows = session.scalars(
        select(WebhookRow).where(*wanted).order_by(WebhookRow.created_at.desc(), WebhookRow.id.desc()).limit(limit)
    )
    return tuple(_webhook(row) for row in rows)


def change(
    session: Session,
    user_id: str,
    webhook_id: str,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    enabled: bool | None = None,
) -> WebhookRecord | None:
    """Change what is given. Deliveries that still wait go to the new address."""
    row = _row(session, user_id, webhook_id)
    if row is None:
        return None
    if event_types is not None:
        row.event_types = list(event_types)
    if enabled is not None:
        row.enabled = enabled
    if url is not None:
        row.url = url
        waiting = (WebhookDeliveryRow.webhook_id == webhook_id, WebhookDeliveryRow.state == "pending")
        session.execute(update(WebhookDeliveryRow).where(*waiting).values(url=url))
    session.flush()
    return _webhook(row)


def rotate(
    session: Session, user_id: str, webhook_id: str, salt: str, previous_until: datetime.datetime
) -> WebhookRecord | None:
    """Give a webhook a new salt; the one before it keeps signing for a while."""
    row = _row(session, user_id, webhook_id)
    if row is None:
        return None
    row.previous_secret, row.previous_until, row.secret = row.secret, previous_until, salt
    session.flush()
    return _webhook(row)


def remove(session: Session, user_id: str, webhook_id: str) -> bool:
    """Remove a webhook with its deliveries; False if there is none."""
    wanted = (WebhookRow.id == webhook_id, WebhookRow.user_id == user_id)
    found = session.scalars(delete(WebhookRow).where(*wanted).returning(WebhookRow.id)).all()
    return bool(found)


def enqueue(
    session: Session,
    user_id: str,
    job_id: str | None,
    job_webhook_url: str | None,
    event_id: int,
    event_type: str,
    data: Mapping[str, Any],
    at: datetime.datetime,
) -> int:
    """Queue an event for every address that wants it, in the transaction that records the event: none is ever lost.

    `job_webhook_url` is the address that the job names itself, if any; it is told of every change of state. Returns how
    many deliveries were queued: 0 for events that are no change of state.
    """
    if event_type not in EVENT_TYPES:
        return 0
    asked = select(WebhookRow).where(WebhookRow.user_id == user_id, WebhookRow.enabled.is_(True))
    targets: list[tuple[str | None, str]] = [
        (row.id, row.url) for row in session.scalars(asked) if not row.event_types or event_type in row.event_types
    ]
    if job_webhook_url:
        targets.append((None, job_webhook_url))
    for webhook_id, url in targets:
        _add(session, user_id, webhook_id, job_id, event_id, event_type, url, data, at)
    return len(targets)


def enqueue_ping(session: Session, webhook: WebhookRecord, now: datetime.datetime) -> DeliveryRecord:
    """Queue a test message."""
    data = {"webhook_id": webhook.id}
    return _add(session, webhook.user_id, webhook.id, None, None, "webhook.ping", webhook.url, data, now)


def replay(session: Session, delivery: DeliveryRecord, url: str, now: datetime.datetime) -> DeliveryRecord:
    """Queue the message of a delivery once more, under the same message id; the old entry stays in the log."""
    row = WebhookDeliveryRow(
        user_id=delivery.user_id,
        webhook_id=delivery.webhook_id,
        job_id=delivery.job_id,
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        payload=dict(delivery.payload),
        url=url,
        next_attempt_at=now,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return _delivery(row)


def deliveries(
    session: Session, user_id: str, limit: int, webhook_id: str | None = None, after: Position | None = None
) -> tuple[DeliveryRecord, ...]:
    """The delivery log of a user or of one webhook, newest first, after the position (created_at, id)."""
    wanted = [WebhookDeliveryRow.user_id == user_id, *_after(WebhookDeliveryRow, after)]
    if webhook_id is not None:
        wanted.append(WebhookDeliveryRow.webhook_id == webhook_id)
    order = (WebhookDeliveryRow.created_at.desc(), WebhookDeliveryRow.id.desc())
    return tuple(
        _delivery(row)
        for row in session.scalars(select(WebhookDeliveryRow).where(*wanted).order_by(*order).limit(limit))
    )


def find_delivery(session: Session, user_id: str, delivery_id: str) -> DeliveryRecord | None:
    """A delivery of this user."""
    wanted = (WebhookDeliveryRow.id == delivery_id, WebhookDeliveryRow.user_id == user_id)
    row = session.scalars(select(WebhookDeliveryRow).where(*wanted)).one_or_none()
    return None if row is None else _delivery(row)


def any_due(session: Session, now: datetime.datetime) -> bool:
    """Whether a delivery waits for a sender."""
    due = (WebhookDeliveryRow.state == "pending", WebhookDeliveryRow.next_attempt_at <= now)
    return session.scalar(select(WebhookDeliveryRow.id).where(*due).limit(1)) is not None


def claim_due(
    session: Session, now: datetime.datetime, lease_s: float, limit: int, delivery_id: str | None = None
) -> tuple[ClaimedDelivery, ...]:
    """Take deliveries that are due, for `lease_s` seconds: after that they are due again for whoever asks.

    With a `delivery_id`, take only that one.
    """
    due = [WebhookDeliveryRow.state == "pending", WebhookDeliveryRow.next_attempt_at <= now]
    if delivery_id is not None:
        due.append(WebhookDeliveryRow.id == delivery_id)
    query = select(WebhookDeliveryRow).where(*due).order_by(WebhookDeliveryRow.next_attempt_at).limit(limit)
    rows = session.scalars(query.with_for_update(skip_locked=True)).all()  # SQLite: the write transaction locks all
    for row in rows:
        row.attempts += 1
        row.next_attempt_at = now + datetime.timedelta(seconds=lease_s)
    session.flush()
    ids = {row.webhook_id for row in rows if row.webhook_id is not None}
    found = session.scalars(select(WebhookRow).where(WebhookRow.id.in_(ids))) if ids else ()
    webhooks = {row.id: _webhook(row) for row in found}
    return tuple(ClaimedDelivery(_delivery(row), webhooks.get(row.webhook_id or "")) for row in rows)


def record_outcome(session: Session, delivery: DeliveryRecord, outcome: DeliveryOutcome) -> bool:
    """Write how an attempt ended; False if another process has begun a later attempt since.

    `delivery` must be as :func:`claim_due` returned it.
    """
    state = "delivered" if outcome.delivered else "pending" if outcome.retry_at is not None else "failed"
    mine = (
        WebhookDeliveryRow.id == delivery.id,
        WebhookDeliveryRow.state == "pending",
        WebhookDeliveryRow.attempts == delivery.attempts,
    )
    values = {
        "state": state,
        "status_code": outcome.status_code,
        "response": outcome.response,
        "next_attempt_at": outcome.retry_at if state == "pending" else None,
        "delivered_at": outcome.at if outcome.delivered else None,
    }
    written = session.scalars(
        update(WebhookDeliveryRow).where(*mine).values(**values).returning(WebhookDeliveryRow.id)
    ).all()
    if outcome.gone and delivery.webhook_id is not None:
        session.execute(update(WebhookRow).where(WebhookRow.id == delivery.webhook_id).values(enabled=False))
    return bool(written)


def _add(
    session: Session,
    user_id: str,
    webhook_id: str | None,
    job_id: str | None,
    event_id: int | None,
    event_type: str,
    url: str,
    data: Mapping[str, Any],
    at: datetime.datetime,
) -> DeliveryRecord:
    row = WebhookDeliveryRow(
        user_id=user_id,
        webhook_id=webhook_id,
        job_id=job_id,
        event_id=event_id,
        event_type=event_type,
        payload={"type": event_type, "timestamp": at.isoformat(), "data": dict(data)},
        url=url,
        next_attempt_at=at,
        created_at=at,
    )
    session.add(row)
    session.flush()
    return _delivery(row)


def forget(session: Session, before: datetime.datetime) -> None:
    """Remove what was sent, or given up, before then."""
    old = (WebhookDeliveryRow.created_at < before, WebhookDeliveryRow.state != "pending")
    session.execute(delete(WebhookDeliveryRow).where(*old))


def _row(session: Session, user_id: str, webhook_id: str) -> WebhookRow | None:
    wanted = (WebhookRow.id == webhook_id, WebhookRow.user_id == user_id)
    return session.scalars(select(WebhookRow).where(*wanted)).one_or_none()


def _after(table: Any, position: Position | None) -> list[ColumnElement[bool]]:
    return [] if position is None else [tuple_(table.created_at, table.id) < position]


def _webhook(row: WebhookRow) -> WebhookRecord:
    return WebhookRecord(
        row.id,
        row.user_id,
        row.url,
        tuple(row.event_types),
        row.enabled,
        row.created_at,
        row.secret,
        row.previous_secret,
        row.previous_until,
    )


def _delivery(row: WebhookDeliveryRow) -> DeliveryRecord:
    return DeliveryRecord(
        row.id,
        row.webhook_id,
        row.user_id,
        row.job_id,
        row.event_id,
        row.event_type,
        row.url,
        row.state,
        row.attempts,
        row.next_attempt_at,
        row.status_code,
        row.response,
        row.created_at,
        row.delivered_at,
        row.payload,
    )
