"""Administrators reset passwords, look after other users' keys, and delete users with what they own."""

from __future__ import annotations

import base64
import datetime
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from e2e3d.errors import InputError
from e2e3d.service.accounts import queries as accounts
from e2e3d.service.database.table_base import Base, now
from e2e3d.service.jobs import leases
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.records import NewJob
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.retention.retention import RetentionPolicy, collect
from e2e3d.storage.names import blob_name
from tests.service.api import PASSWORD, Api, bearer, open_api
from tests.service.uploads.conftest import Desk, new_desk, picture, place
from tests.service.uploads.test_results import finished_job

__all__ = ["place"]

DAY = datetime.timedelta(days=1)
NEW_PASSWORD = "another long password"


@pytest.fixture
def admin(api: Api) -> dict[str, str]:
    return api.headers(api.user("root@example.org", "admin"))


def key_of(api: Api, headers: dict[str, str], name: str = "k") -> dict[str, str]:
    return dict(api.client.post("/v1/api-keys", json={"name": name}, headers=headers).json())


def may_call(api: Api, headers: dict[str, str]) -> bool:
    return api.client.get("/v1/me", headers=headers).status_code == 200


def test_a_reset_password_ends_logins_and_keys(api: Api, admin: dict[str, str]) -> None:
    user_id = api.user("ada@example.org")
    logins = [api.headers(user_id), api.headers(user_id)]
    keys = [bearer(key_of(api, logins[0], name)["key"]) for name in ("one", "two")]
    eve = api.headers(api.user("eve@example.org"))
    eves_key = bearer(key_of(api, eve)["key"])
    answer = api.client.patch(f"/v1/users/{user_id}", json={"password": NEW_PASSWORD}, headers=admin).json()
    assert (answer["revoked_logins"], answer["revoked_api_keys"]) == (2, 2)
    assert [may_call(api, headers) for headers in (*logins, *keys)] == [False] * 4
    assert may_call(api, eves_key)
    assert may_call(api, eve)
    assert api.log_in("ada@example.org", NEW_PASSWORD).status_code == 200
    (entry,) = api.client.get("/v1/audit?action=user.change", headers=admin).json()["items"]
    assert entry["detail"] == {"changed": ["password"], "revoked_logins": 2, "revoked_api_keys": 2}


def test_keys_stay_when_the_administrator_says_so_or_changes_something_else(api: Api, admin: dict[str, str]) -> None:
    user_id = api.user("ada@example.org")
    key = bearer(key_of(api, api.headers(user_id))["key"])
    for change in ({"name": "Ada"}, {"password": NEW_PASSWORD, "keep_api_keys": True}):
        answer = api.client.patch(f"/v1/users/{user_id}", json=change, headers=admin)
        assert answer.json()["revoked_api_keys"] == 0
        assert may_call(api, key)


def test_administrators_list_and_revoke_keys_of_others(api: Api, admin: dict[str, str]) -> None:
    user_id = api.user("ada@example.org")
    headers = api.headers(user_id)
    made = [key_of(api, headers, f"key {number}") for number in range(3)]
    path = f"/v1/users/{user_id}/api-keys"
    first = api.client.get(path, params={"limit": 2}, headers=admin).json()
    rest = api.client.get(path, params={"limit": 2, "cursor": first["next_cursor"]}, headers=admin).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == [one["id"] for one in reversed(made)]
    assert made[0]["key"] not in str(rest)
    assert api.client.delete(f"{path}/{made[0]['id']}", headers=admin).status_code == 204
    assert [may_call(api, bearer(one["key"])) for one in made] == [False, True, True]
    assert api.client.delete(f"{path}/{made[0]['id']}", headers=admin).json()["code"] == "api-key-missing"
    other = api.user("eve@example.org")
    assert api.client.delete(f"/v1/users/{other}/api-keys/{made[1]['id']}", headers=admin).status_code == 404
    assert api.client.get("/v1/users/nobody/api-keys", headers=admin).json()["code"] == "user-missing"


def test_a_deleted_user_is_out_at_once_and_can_be_restored(api: Api, admin: dict[str, str]) -> None:
    user_id = api.user("ada@example.org")
    refresh = api.log_in("ada@example.org").json()["refresh_token"]
    login = api.headers(user_id)
    key = bearer(key_of(api, login)["key"])
    deleted = api.client.delete(f"/v1/users/{user_id}", headers=admin).json()
    gone_after = datetime.datetime.fromisoformat(deleted["purge_at"]) - now()
    assert abs(gone_after - api.services.settings.retention_days_users * DAY) < DAY / 100
    assert [may_call(api, login), may_call(api, key)] == [False, False]
    assert api.log_in("ada@example.org").json()["code"] == "wrong-credentials"
    assert api.client.post("/v1/auth/refresh", json={"refresh_token": refresh}).status_code == 401
    again = api.client.delete(f"/v1/users/{user_id}", headers=admin).json()
    assert again["purge_at"] == deleted["purge_at"]
    taken = api.client.post("/v1/users", json={"email": "ada@example.org", "password": PASSWORD}, headers=admin)
    assert (taken.status_code, taken.json()["code"]) == (409, "email-taken")
    assert "restore" in taken.json()["action"]
    restored = api.client.post(f"/v1/users/{user_id}/restore", headers=admin).json()
    assert (restored["deleted_at"], restored["purge_at"]) == (None, None)
    assert [may_call(api, login), may_call(api, key)] == [False, True]
    assert api.log_in("ada@example.org").status_code == 200
    actions = [one["action"] for one in api.client.get("/v1/audit", headers=admin).json()["items"]]
    assert {"user.delete", "user.restore"} <= set(actions)
    for method, path in (("DELETE", "/v1/users/nobody"), ("POST", "/v1/users/nobody/restore")):
        assert api.client.request(method, path, headers=admin).json()["code"] == "user-missing"


def test_the_last_administrator_cannot_be_deleted(api: Api) -> None:
    first, second = api.user("root@example.org", "admin"), api.user("second@example.org", "admin")
    headers = api.headers(first)
    assert api.client.delete(f"/v1/users/{second}", headers=headers).status_code == 200
    refused = api.client.delete(f"/v1/users/{first}", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "last-admin")
    demoted = api.client.patch(f"/v1/users/{first}", json={"role": "user"}, headers=headers)
    assert demoted.json()["code"] == "last-admin"  # the deleted one does not count
    api.client.post(f"/v1/users/{second}/restore", headers=headers)
    assert api.client.delete(f"/v1/users/{first}", headers=headers).status_code == 200


def test_two_administrators_cannot_delete_each_other_at_the_same_time(api: Api) -> None:
    ids = [api.user(f"root{number}@example.org", "admin") for number in range(2)]
    together = threading.Barrier(2)

    def delete(user_id: str) -> str:
        together.wait()
        try:
            with api.services.database.session() as session:
                accounts.delete(session, user_id, now(), now() + DAY)
        except InputError as error:
            return error.code
        return "deleted"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(delete, ids)) == ["deleted", "last-admin"]


def fill(desk: Desk) -> tuple[str, str]:
    """Give a user one of everything; returns the ids of a queued and a running job."""
    desk.send(*((f"{seed}.jpg", picture(seed)) for seed in range(3)))
    finished_job(desk)
    tus = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Length": "10"}
    name = {"Upload-Metadata": f"filename {base64.b64encode(b'd.jpg').decode()}"}
    desk.call("POST", f"/v1/image-sets/{desk.set_id}/uploads", headers=tus | name, content=b"12345")
    if desk.api.services.files.presigner is not None:
        body = {"name": "e.jpg", "size_bytes": 10}
        assert desk.call("POST", f"/v1/image-sets/{desk.set_id}/presigned-uploads", json=body).status_code == 201
    desk.call("POST", "/v1/webhooks", json={"url": "https://93.184.215.14/hook"})
    desk.call("POST", "/v1/api-keys", json={"name": "k"})
    photographs = [(photo["name"], photo["sha256"]) for photo in desk.photos().values()]
    with desk.api.services.database.session() as session:
        new = NewJob(desk.user_id, desk.set_id, "preview")
        running, queued = (jobs.create(session, new, photographs, now()).id for _ in range(2))
    with desk.api.services.database.session() as session:
        assert leases.claim(session, "tests", now(), 600.0).id == running
    return queued, running


def states(api: Api, *ids: str) -> list[tuple[str, bool]]:
    with api.services.database.reading() as session:
        rows = [session.get_one(JobRow, job_id) for job_id in ids]
        return [(row.state, row.cancel_requested_at is not None) for row in rows]


def rows_of(api: Api, user_id: str) -> dict[str, int]:
    """How many rows of each table name the user."""
    found = {}
    with api.services.database.reading() as session:
        for table in Base.metadata.tables.values():
            column = table.c.id if table.name == "users" else table.c.get("user_id")
            if column is not None:
                found[table.name] = len(session.execute(select(column).where(column == user_id)).all())
    return {name: count for name, count in found.items() if count}


def round_of_collector(api: Api, days: float) -> int:
    return collect(api.services.database, api.services.files, RetentionPolicy(), now() + days * DAY).users


@pytest.fixture
def desk(place: Api) -> Desk:
    return new_desk(place)


def test_a_deleted_user_goes_with_all_that_it_owns_after_the_grace_period(desk: Desk) -> None:
    api = desk.api
    admin = api.headers(api.user("root@example.org", "admin"))
    other = new_desk(api)
    other.send(("shared.jpg", picture(0)))
    queued, running = fill(desk)
    assert set(rows_of(api, desk.user_id)) >= {"jobs", "image_sets", "uploads", "webhooks", "api_keys", "events"}
    before = desk.stored()
    assert api.client.delete(f"/v1/users/{desk.user_id}", headers=admin).status_code == 200
    assert states(api, queued, running) == [("cancelled", True), ("running", True)]
    assert round_of_collector(api, 29) == 0
    assert round_of_collector(api, 31) == 0  # a job still runs
    with api.services.database.session() as session:
        session.get_one(JobRow, running).state = "cancelled"
    assert desk.stored() >= {name for name in before if name.startswith("blob/")}
    assert api.client.post(f"/v1/users/{desk.user_id}/restore", headers=admin).status_code == 200
    assert api.client.delete(f"/v1/users/{desk.user_id}", headers=admin).status_code == 200
    assert round_of_collector(api, 31) == 1
    assert rows_of(api, desk.user_id) == {}
    round_of_collector(api, 40)
    shared = other.photos()["shared.jpg"]["sha256"]
    assert desk.stored() == {blob_name(shared)}
    assert api.client.post(f"/v1/users/{desk.user_id}/restore", headers=admin).status_code == 404
    (entry,) = api.client.get("/v1/audit?action=user.purge", headers=admin).json()["items"]
    assert (entry["resource_id"], entry["user_id"]) == (desk.user_id, None)


def test_a_restored_user_has_everything_again(embedded_api: Api) -> None:
    api = embedded_api
    admin = api.headers(api.user("root@example.org", "admin"))
    desk = new_desk(api)
    fill(desk)
    before = desk.stored()
    api.client.delete(f"/v1/users/{desk.user_id}", headers=admin)
    api.client.post(f"/v1/users/{desk.user_id}/restore", headers=admin)
    desk.headers = api.headers(desk.user_id)
    assert len(desk.photos()) == 3
    assert desk.stored() == before
    assert round_of_collector(api, 0) == 0


def test_signed_addresses_of_a_deleted_user_end(tmp_path: Path) -> None:
    with open_api(f"sqlite:///{tmp_path / 'db.sqlite'}", tmp_path, public_url="http://testserver") as api:
        admin = api.headers(api.user("root@example.org", "admin"))
        desk = new_desk(api)
        job_id = finished_job(desk)
        asked = desk.call("POST", f"/v1/jobs/{job_id}/result-links", json={"paths": ["model.glb"]}).json()
        url = asked["items"][0]["url"].removeprefix("http://testserver")
        assert api.client.get(url).status_code == 200
        api.client.delete(f"/v1/users/{desk.user_id}", headers=admin)
        assert api.client.get(url).status_code == 404
