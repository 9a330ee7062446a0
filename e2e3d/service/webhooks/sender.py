"""Delivers what is due: claims rows with a lease, sends them side by side, writes down how it went.

At least once: a sender that dies between the receiver's answer and the note of it leaves a lease behind that runs out,
and the message goes out again under the same id.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import logging
import random
import ssl
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from e2e3d.errors import InputError, MachineError
from e2e3d.service.database.database_engine import Database
from e2e3d.service.webhooks import queries as webhooks
from e2e3d.service.webhooks.addresses import AddressGuard, parse_networks
from e2e3d.service.webhooks.records import ClaimedDelivery, DeliveryOutcome, DeliveryRecord
from e2e3d.service.webhooks.retry_schedule import retry_delay_s
from e2e3d.service.webhooks.signing import job_salt, signed_headers, signing_secret
from e2e3d.service.webhooks.transport import DeliveryLimits, post

log = logging.getLogger(__name__)

_AT_ONCE = 8
_GONE = 410


@dataclass(frozen=True)
class WebhookSender:
    """What is needed to send a message.

    Attributes:
        secret_key: of the deployment; signing secrets are derived from it.
        guard: which addresses may be called.
        limits: of one attempt.
    """

    secret_key: str = field(repr=False)
    guard: AddressGuard = field(default_factory=AddressGuard)
    limits: DeliveryLimits = field(default_factory=DeliveryLimits)

    @functools.cached_property
    def tls(self) -> ssl.SSLContext:
        """Verifies certificates by what the system trusts."""
        return ssl.create_default_context()

    @classmethod
    def allowing(cls, secret_key: str, networks: Sequence[str]) -> WebhookSender:
        """A sender that may also reach these networks, such as ``10.1.0.0/16``."""
        return cls(secret_key, AddressGuard(parse_networks(networks)))

    @property
    def lease_s(self) -> float:
        """How long a claimed delivery is left alone: longer than an attempt can take."""
        return 2 * self.limits.total_s + 15

    def attempt(self, claimed: ClaimedDelivery, now: datetime.datetime) -> DeliveryOutcome:
        """Send one message, once."""
        delivery = claimed.delivery
        body = json.dumps(delivery.payload, separators=(",", ":"), ensure_ascii=False)
        headers = {"content-type": "application/json", "user-agent": "e2e3d-webhooks"}
        headers |= signed_headers(delivery.message_id, now, body, self._secrets(claimed, now))
        try:
            answer = post(delivery.url, headers, body.encode(), self.guard, self.tls, self.limits)
        except InputError as error:
            return _later(delivery, now, None, str(error))
        except OSError as error:
            return _later(delivery, now, None, f"not delivered: {error}")
        if 200 <= answer.status_code < 300:
            return DeliveryOutcome(True, answer.status_code, answer.text, now)
        if answer.status_code == _GONE:
            return DeliveryOutcome(False, answer.status_code, answer.text, now, gone=True)
        text = "redirects are not followed" if 300 <= answer.status_code < 400 else answer.text
        return _later(delivery, now, answer.status_code, text, answer.retry_after_s)

    def _secrets(self, claimed: ClaimedDelivery, now: datetime.datetime) -> list[str]:
        webhook = claimed.webhook
        if webhook is None:
            return [signing_secret(self.secret_key, job_salt(claimed.delivery.user_id))]
        salts = [webhook.salt]
        if webhook.previous_salt is not None and webhook.previous_until is not None and now < webhook.previous_until:
            salts.append(webhook.previous_salt)
        return [signing_secret(self.secret_key, salt) for salt in salts]


def deliver_due(database: Database, sender: WebhookSender, now: datetime.datetime, limit: int = _AT_ONCE) -> int:
    """Attempt the deliveries that are due; returns how many. Many processes may call this at once."""
    with database.session() as session:
        claimed = webhooks.claim_due(session, now, sender.lease_s, min(limit, _AT_ONCE))
    if not claimed:
        return 0
    with ThreadPoolExecutor(len(claimed), thread_name_prefix="webhook") as pool:
        list(pool.map(lambda one: _deliver(database, sender, one, now), claimed))
    return len(claimed)


def deliver_until(
    stop: threading.Event, database: Database, sender: WebhookSender, idle_s: float = 1.0, away_s: float = 5.0
) -> None:
    """Deliver what falls due until `stop` is set; meant for a thread of its own, in as many processes as one likes."""
    while not stop.is_set():
        try:
            with database.reading() as session:
                due = webhooks.any_due(session, datetime.datetime.now(datetime.UTC))
            sent = deliver_due(database, sender, datetime.datetime.now(datetime.UTC)) if due else 0
            pause_s = 0.0 if sent else idle_s
        except MachineError as error:
            log.warning("webhooks wait: %s", error.message)
            pause_s = away_s
        except Exception:  # of one delivery; the others must still go out
            log.exception("webhooks could not be delivered")
            pause_s = away_s
        stop.wait(pause_s)


def deliver_now(
    database: Database, sender: WebhookSender, delivery: DeliveryRecord, now: datetime.datetime
) -> DeliveryRecord:
    """Attempt one delivery at once and return it as it stands afterwards; another sender may have been faster."""
    with database.session() as session:
        claimed = webhooks.claim_due(session, now, sender.lease_s, 1, delivery.id)
    for one in claimed:
        _deliver(database, sender, one, now)
    with database.reading() as session:
        return webhooks.find_delivery(session, delivery.user_id, delivery.id) or delivery


def _deliver(database: Database, sender: WebhookSender, claimed: ClaimedDelivery, now: datetime.datetime) -> None:
    delivery = claimed.delivery
    outcome = sender.attempt(claimed, now)
    if delivery.event_type == "webhook.ping":
        outcome = dataclasses.replace(outcome, retry_at=None)  # whoever tests wants the answer, not a late success
    database.retry(lambda session: webhooks.record_outcome(session, delivery, outcome))
    log.info(
        "webhook delivery %s, attempt %d: %s %s",
        delivery.id,
        delivery.attempts,
        "delivered" if outcome.delivered else "not delivered",
        outcome.status_code or outcome.response,
    )


def _later(
    delivery: DeliveryRecord,
    now: datetime.datetime,
    status_code: int | None,
    response: str,
    retry_after_s: float | None = None,
) -> DeliveryOutcome:
    delay_s = retry_delay_s(delivery.attempts, random.random(), retry_after_s)
    retry_at = None if delay_s is None else now + datetime.timedelta(seconds=delay_s)
    return DeliveryOutcome(False, status_code, response, now, retry_at)
