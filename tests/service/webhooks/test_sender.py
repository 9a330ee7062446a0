import datetime
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from standardwebhooks import Webhook

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.database.database_engine import Database
from e2e3d.service.webhooks import queries as webhooks
from e2e3d.service.webhooks.records import EVENT_TYPES, DeliveryOutcome, DeliveryRecord, WebhookRecord
from e2e3d.service.webhooks.retry_schedule import MAX_ATTEMPTS
from e2e3d.service.webhooks.sender import WebhookSender, deliver_due, deliver_now, deliver_until
from e2e3d.service.webhooks.signing import job_salt, new_salt, signing_secret
from tests.command import wait_for
from tests.receiver import Receiver, receiving

KEY = "k" * 32
LOCAL = ("127.0.0.0/8",)
LATER = datetime.timedelta(days=2)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def sender() -> WebhookSender:
    return WebhookSender.allowing(KEY, LOCAL)


@pytest.fixture
def user_id(database: Database) -> str:
    return new_user(database, "one@here")


@pytest.fixture
def webhook(database: Database, user_id: str, receiver: Receiver) -> WebhookRecord:
    return register(database, user_id, receiver.url())


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def new_user(database: Database, email: str) -> str:
    with database.session() as session:
        row = UserRow(email=email, password_hash="x", quota_photos=1, quota_bytes=1, quota_jobs=1)
        session.add(row)
        session.flush()
        return row.id


def register(database: Database, user_id: str, url: str, event_types: tuple[str, ...] = ()) -> WebhookRecord:
    with database.session() as session:
        return webhooks.create(session, user_id, url, event_types, new_salt(), now())


def happen(
    database: Database, user_id: str, event_type: str = "job.succeeded", event_id: int = 7, job_url: str | None = None
) -> int:
    with database.session() as session:
        return webhooks.enqueue(session, user_id, None, job_url, event_id, event_type, {"state": "x"}, now())


def logged(database: Database, user_id: str) -> tuple[DeliveryRecord, ...]:
    with database.reading() as session:
        return webhooks.deliveries(session, user_id, 100)


def test_an_event_reaches_the_receiver_once_and_verifies(
    database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver, sender: WebhookSender
) -> None:
    receiver.answers = [(200, {}, b"thanks")]
    assert happen(database, user_id) == 1
    assert deliver_due(database, sender, now()) == 1
    assert deliver_due(database, sender, now() + LATER) == 0
    (message,) = receiver.messages
    payload = Webhook(signing_secret(KEY, webhook.salt)).verify(message.body, message.headers)
    assert payload["type"] == "job.succeeded"
    assert payload["data"] == {"state": "x"}
    datetime.datetime.fromisoformat(payload["timestamp"])
    assert message.headers["webhook-id"] == "msg_7"
    assert message.headers["content-type"] == "application/json"
    (entry,) = logged(database, user_id)
    assert (entry.state, entry.attempts, entry.status_code, entry.response) == ("delivered", 1, 200, "thanks")
    assert entry.delivered_at is not None


def test_only_what_was_asked_for_is_sent_and_only_to_its_user(database: Database, user_id: str) -> None:
    other = new_user(database, "two@here")
    register(database, user_id, "https://a.example/", ("job.failed",))
    register(database, other, "https://b.example/")
    assert happen(database, user_id, "job.succeeded") == 0
    assert happen(database, user_id, "job.progress") == 0
    assert happen(database, user_id, "job.failed") == 1
    assert [entry.url for entry in logged(database, user_id)] == ["https://a.example/"]
    assert sum(happen(database, other, kind) for kind in EVENT_TYPES) == len(EVENT_TYPES)


def test_a_jobs_own_address_is_signed_with_the_secret_of_its_user(
    database: Database, user_id: str, receiver: Receiver, sender: WebhookSender
) -> None:
    assert happen(database, user_id, job_url=receiver.url()) == 1
    deliver_due(database, sender, now())
    (message,) = receiver.messages
    Webhook(signing_secret(KEY, job_salt(user_id))).verify(message.body, message.headers)


def test_a_failing_receiver_gets_the_same_message_again_until_it_takes_it(
    database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver, sender: WebhookSender
) -> None:
    receiver.answers = [(500, {}, b"broken"), (503, {"Retry-After": "3600"}, b"busy"), (204, {}, b"")]
    happen(database, user_id)
    moment = now()
    assert deliver_due(database, sender, moment) == 1
    (entry,) = logged(database, user_id)
    assert (entry.state, entry.status_code, entry.response) == ("pending", 500, "broken")
    assert entry.next_attempt_at is not None
    assert 5 <= (entry.next_attempt_at - moment).total_seconds() <= 6.25
    assert deliver_due(database, sender, moment + datetime.timedelta(seconds=4)) == 0
    moment += datetime.timedelta(seconds=7)
    assert deliver_due(database, sender, moment) == 1
    (entry,) = logged(database, user_id)
    assert entry.next_attempt_at == moment + datetime.timedelta(hours=1)
    assert deliver_due(database, sender, moment + datetime.timedelta(hours=1)) == 1
    (entry,) = logged(database, user_id)
    assert (entry.state, entry.attempts, entry.next_attempt_at) == ("delivered", 3, None)
    assert len({message.headers["webhook-id"] for message in receiver.messages}) == 1
    assert len({message.body for message in receiver.messages}) == 1


def test_attempts_end(database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver) -> None:
    receiver.answers = [(500, {}, b"")]
    happen(database, user_id)
    moment = now()
    for _ in range(MAX_ATTEMPTS):
        assert deliver_due(database, WebhookSender.allowing(KEY, LOCAL), moment) == 1
        moment += LATER
    assert deliver_due(database, WebhookSender.allowing(KEY, LOCAL), moment) == 0
    (entry,) = logged(database, user_id)
    assert (entry.state, entry.attempts) == ("failed", MAX_ATTEMPTS)
    assert len(receiver.messages) == MAX_ATTEMPTS


def test_a_receiver_that_is_gone_is_not_called_again(
    database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver, sender: WebhookSender
) -> None:
    receiver.answers = [(410, {}, b"")]
    happen(database, user_id)
    deliver_due(database, sender, now())
    assert [entry.state for entry in logged(database, user_id)] == ["failed"]
    assert happen(database, user_id, event_id=8) == 0
    with database.reading() as session:
        found = webhooks.find(session, user_id, webhook.id)
    assert found is not None
    assert not found.enabled


def test_a_private_address_is_not_called_and_the_log_says_why(
    database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver
) -> None:
    happen(database, user_id)
    deliver_due(database, WebhookSender(KEY), now())
    (entry,) = logged(database, user_id)
    assert entry.state == "pending"
    assert "no address that webhooks may be sent to" in (entry.response or "")
    assert receiver.messages == []


def test_a_delivery_that_a_dead_process_had_claimed_is_due_again_after_its_lease(
    database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver, sender: WebhookSender
) -> None:
    happen(database, user_id)
    moment = now()
    with database.session() as session:
        (lost,) = webhooks.claim_due(session, moment, sender.lease_s, 10)
    assert deliver_due(database, sender, moment + datetime.timedelta(seconds=sender.lease_s - 1)) == 0
    assert deliver_due(database, sender, moment + datetime.timedelta(seconds=sender.lease_s + 1)) == 1
    with database.session() as session:  # the process that was thought dead comes back, too late to be heard
        assert not webhooks.record_outcome(session, lost.delivery, DeliveryOutcome(False, 500, "late", moment))
    (entry,) = logged(database, user_id)
    assert (entry.state, entry.status_code) == ("delivered", 204)
    assert len(receiver.messages) == 1


def test_senders_side_by_side_send_every_message_once(
    database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver, sender: WebhookSender
) -> None:
    for event_id in range(24):
        happen(database, user_id, event_id=event_id)
    moment = now()

    def work(_: int) -> int:
        done = 0
        while sent := deliver_due(database, sender, moment):
            done += sent
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 24
    assert {(entry.state, entry.response) for entry in logged(database, user_id)} == {("delivered", "")}
    ids = [message.headers["webhook-id"] for message in receiver.messages]
    assert sorted(ids) == sorted({f"msg_{event_id}" for event_id in range(24)})


def test_one_slow_receiver_does_not_hold_up_the_others(
    database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver, sender: WebhookSender
) -> None:
    together = threading.Barrier(8, timeout=12)
    receiver.drip = together.wait  # nobody is answered before all eight have arrived
    for event_id in range(8):
        happen(database, user_id, event_id=event_id)
    assert deliver_due(database, sender, now()) == 8
    assert {entry.state for entry in logged(database, user_id)} == {"delivered"}


def test_the_loop_delivers_what_falls_due_until_it_is_stopped(
    database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver, sender: WebhookSender
) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=deliver_until, args=(stop, database, sender, 0.05))
    thread.start()
    try:
        for event_id in (1, 2):
            happen(database, user_id, event_id=event_id)
            wait_for(lambda: {entry.state for entry in logged(database, user_id)} == {"delivered"}, timeout_s=60)
    finally:
        stop.set()
        thread.join()
    assert len(receiver.messages) == 2


def test_the_thread_goes_on_after_a_mistake(
    database: Database,
    user_id: str,
    webhook: WebhookRecord,
    receiver: Receiver,
    sender: WebhookSender,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mistakes = [ValueError("of one delivery")]
    attempt = sender.attempt

    def attempted(*args: object) -> DeliveryOutcome:
        if mistakes:
            raise mistakes.pop()
        return attempt(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(WebhookSender, "attempt", lambda _, *args: attempted(*args))
    stop = threading.Event()
    thread = threading.Thread(target=deliver_until, args=(stop, database, sender, 0.05, 0.05))
    thread.start()
    try:
        happen(database, user_id)
        wait_for(lambda: not mistakes)
        happen(database, user_id, event_id=8)
        wait_for(lambda: "delivered" in {entry.state for entry in logged(database, user_id)}, timeout_s=30)
    finally:
        stop.set()
        thread.join()


def test_a_new_secret_signs_beside_the_old_one_for_a_while(
    database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver, sender: WebhookSender
) -> None:
    new = new_salt()
    with database.session() as session:
        webhooks.rotate(session, user_id, webhook.id, new, now() + datetime.timedelta(hours=1))
    happen(database, user_id)
    deliver_due(database, sender, now())
    for salt in (webhook.salt, new):
        Webhook(signing_secret(KEY, salt)).verify(receiver.messages[0].body, receiver.messages[0].headers)
    with database.session() as session:
        webhooks.rotate(session, user_id, webhook.id, new, now() - datetime.timedelta(seconds=1))
    happen(database, user_id, event_id=8)
    deliver_due(database, sender, now())
    assert len(receiver.messages[1].headers["webhook-signature"].split()) == 1


def test_a_replay_sends_the_message_under_its_old_id(
    database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver, sender: WebhookSender
) -> None:
    happen(database, user_id)
    deliver_due(database, sender, now())
    (first,) = logged(database, user_id)
    with database.session() as session:
        again = webhooks.replay(session, first, webhook.url, now())
    assert deliver_now(database, sender, again, now()).state == "delivered"
    assert [message.headers["webhook-id"] for message in receiver.messages] == ["msg_7", "msg_7"]
    assert json.loads(receiver.messages[0].body) == json.loads(receiver.messages[1].body)
    assert len(logged(database, user_id)) == 2


def test_a_ping_is_tried_once(
    database: Database, user_id: str, webhook: WebhookRecord, receiver: Receiver, sender: WebhookSender
) -> None:
    receiver.answers = [(500, {}, b"no")]
    with database.session() as session:
        ping = webhooks.enqueue_ping(session, webhook, now())
    answer = deliver_now(database, sender, ping, now())
    assert (answer.state, answer.status_code, answer.response) == ("failed", 500, "no")
    assert json.loads(receiver.messages[0].body)["type"] == "webhook.ping"


def test_another_users_webhook_cannot_be_seen_or_changed(
    database: Database, user_id: str, webhook: WebhookRecord
) -> None:
    other = new_user(database, "two@here")
    happen(database, user_id)
    with database.session() as session:
        assert webhooks.find(session, other, webhook.id) is None
        assert webhooks.change(session, other, webhook.id, enabled=False) is None
        assert webhooks.rotate(session, other, webhook.id, "x", now()) is None
        assert not webhooks.remove(session, other, webhook.id)
        assert webhooks.listed(session, other, 10) == ()
        assert webhooks.deliveries(session, other, 10) == ()
        assert webhooks.find_delivery(session, other, logged(database, user_id)[0].id) is None


def test_what_waits_goes_to_the_new_address_and_a_removed_webhook_takes_its_log_along(
    database: Database, user_id: str, receiver: Receiver, sender: WebhookSender
) -> None:
    webhook = register(database, user_id, "http://127.0.0.1:1/")
    happen(database, user_id)
    with database.session() as session:
        webhooks.change(session, user_id, webhook.id, url=receiver.url())
    deliver_due(database, sender, now())
    assert len(receiver.messages) == 1
    with database.session() as session:
        assert webhooks.remove(session, user_id, webhook.id)
    assert logged(database, user_id) == ()


def test_lists_come_in_pages(database: Database, user_id: str) -> None:
    made = [register(database, user_id, f"https://example.com/{number}") for number in range(5)]
    with database.reading() as session:
        first = webhooks.listed(session, user_id, 2)
        rest = webhooks.listed(session, user_id, 10, (first[-1].created_at, first[-1].id))
    assert [one.id for one in (*first, *rest)] == [one.id for one in reversed(made)]
