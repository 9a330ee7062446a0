"""Webhooks over HTTP: whose they are, what they refuse, what they tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from e2e3d.service.administration import audit
from e2e3d.service.database.table_base import now
from e2e3d.service.webhooks import queries as webhooks
from tests.receiver import Receiver, receiving
from tests.service.api import Api, open_api


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    with open_api(database_url, tmp_path, webhook_allowed_networks=("127.0.0.0/8",)) as opened:
        yield opened


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def test_a_webhook_from_its_registration_to_its_end(api: Api, receiver: Receiver) -> None:
    headers = api.headers(api.user("one@here"))
    made = api.client.post("/v1/webhooks", json={"url": receiver.url()}, headers=headers)
    assert made.status_code == 201
    webhook, secret = made.json()["webhook"], made.json()["secret"]
    place = f"/v1/webhooks/{webhook['id']}"
    assert api.client.get(place, headers=headers).json() == webhook
    assert secret not in api.client.get("/v1/webhooks", headers=headers).text
    ping = api.client.post(f"{place}/ping", headers=headers).json()
    assert (ping["state"], ping["status_code"]) == ("delivered", 204)
    Webhook(secret).verify(receiver.messages[0].body, receiver.messages[0].headers)
    changed = api.client.patch(place, json={"enabled": False, "event_types": ["job.failed"]}, headers=headers).json()
    assert (changed["enabled"], changed["event_types"], changed["url"]) == (False, ["job.failed"], webhook["url"])
    rotated = api.client.post(f"{place}/rotate-secret", headers=headers).json()
    assert rotated["webhook"]["previous_secret_until"] is not None
    api.client.post(f"{place}/ping", headers=headers)
    for one in (secret, rotated["secret"]):
        Webhook(one).verify(receiver.messages[1].body, receiver.messages[1].headers)
    listed = api.client.get(f"{place}/deliveries", params={"limit": 1}, headers=headers).json()
    assert len(listed["items"]) == 1
    rest = api.client.get(f"{place}/deliveries", params={"cursor": listed["next_cursor"]}, headers=headers).json()
    assert [one["id"] for one in rest["items"]] == [ping["id"]]
    assert api.client.delete(place, headers=headers).status_code == 204
    assert api.client.get(place, headers=headers).status_code == 404
    with api.services.database.reading() as session:
        actions = [entry.action for entry in audit.newest_first(session, 10)]
    assert actions == ["webhook.delete", "webhook.rotate-secret", "webhook.change", "webhook.create"]


def test_another_users_webhooks_do_not_exist(api: Api) -> None:
    mine, other = api.headers(api.user("one@here")), api.headers(api.user("two@here"))
    made = api.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/"}, headers=mine).json()["webhook"]
    delivery = api.client.post(f"/v1/webhooks/{made['id']}/ping", headers=mine).json()
    place = f"/v1/webhooks/{made['id']}"
    for method, path, body in (
        ("GET", place, None),
        ("PATCH", place, {"enabled": False}),
        ("DELETE", place, None),
        ("POST", f"{place}/ping", None),
        ("POST", f"{place}/rotate-secret", None),
        ("GET", f"{place}/deliveries", None),
        ("GET", f"/v1/webhook-deliveries/{delivery['id']}", None),
        ("POST", f"/v1/webhook-deliveries/{delivery['id']}/replay", None),
    ):
        assert api.client.request(method, path, json=body, headers=other).status_code == 404, (method, path)
    assert api.client.get("/v1/webhooks", headers=other).json()["items"] == []
    assert api.client.get("/v1/webhook-deliveries", headers=other).json()["items"] == []
    assert api.client.get(place, headers=mine).json()["enabled"] is True
    secrets = {api.client.get("/v1/webhook-secret", headers=one).json()["secret"] for one in (mine, other)}
    assert len(secrets) == 2


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://10.0.0.1/hook", "webhook-address-refused"),
        ("http://169.254.169.254/latest/meta-data", "webhook-address-refused"),
        ("http://[::ffff:10.0.0.1]/", "webhook-address-refused"),
        ("http://0x0a000001/", "webhook-address-refused"),
        ("http://no-such-name.invalid/", "webhook-address-refused"),
        ("file:///etc/passwd", "webhook-url"),
        ("http://user:password@127.0.0.1/", "webhook-url"),
    ],
)
def test_addresses_that_must_not_be_called_are_refused_when_they_are_given(api: Api, url: str, code: str) -> None:
    headers = api.headers(api.user("one@here"))
    made = api.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/"}, headers=headers).json()["webhook"]
    for answer in (
        api.client.post("/v1/webhooks", json={"url": url}, headers=headers),
        api.client.patch(f"/v1/webhooks/{made['id']}", json={"url": url}, headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert answer.json()["action"]


def test_the_number_of_webhooks_is_bounded(api: Api) -> None:
    headers = api.headers(api.user("one@here"))
    answers = [api.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/"}, headers=headers) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [201] * 20 + [409]
    assert answers[-1].json()["code"] == "too-many-webhooks"


def test_a_message_is_replayed_to_the_present_address(api: Api, receiver: Receiver) -> None:
    user_id = api.user("one@here")
    headers = api.headers(user_id)
    made = api.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/"}, headers=headers).json()["webhook"]
    with api.services.database.session() as session:
        webhooks.enqueue(session, user_id, None, None, 7, "job.failed", {"state": "failed"}, now())
    (first,) = api.client.get("/v1/webhook-deliveries", headers=headers).json()["items"]
    assert first["payload"]["type"] == "job.failed"
    api.client.patch(f"/v1/webhooks/{made['id']}", json={"url": receiver.url()}, headers=headers)
    again = api.client.post(f"/v1/webhook-deliveries/{first['id']}/replay", headers=headers)
    assert again.status_code == 202
    assert (again.json()["url"], again.json()["message_id"]) == (receiver.url(), first["message_id"])
    assert api.client.get(f"/v1/webhook-deliveries/{again.json()['id']}", headers=headers).json() == again.json()


def test_a_key_that_may_only_read_sees_webhooks_and_changes_none(api: Api) -> None:
    headers = api.headers(api.user("one@here"))
    key = api.client.post("/v1/api-keys", json={"name": "reader", "scopes": ["read"]}, headers=headers).json()["key"]
    reader = {"Authorization": f"Bearer {key}"}
    assert api.client.get("/v1/webhooks", headers=reader).status_code == 200
    assert api.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/"}, headers=reader).status_code == 403
    assert api.client.get("/v1/webhook-secret", headers=reader).status_code == 403  # whoever has it can sign
