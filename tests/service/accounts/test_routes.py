import datetime

import pytest

from e2e3d.service.database.table_base import now
from e2e3d.service.sign_in import queries as tokens
from tests.service.api import PASSWORD, Api, bearer

NEW_USER = {"email": "new@example.org", "password": PASSWORD}


def test_administrators_make_list_and_change_users(api: Api) -> None:
    admin = api.headers(api.user("root@example.org", "admin"))
    made = api.client.post("/v1/users", json=NEW_USER | {"quota_jobs": 3}, headers=admin)
    assert made.status_code == 201
    user = made.json()
    assert user["quotas"] == {"photos": api.services.settings.quota_photos, "bytes": 100_000_000_000, "jobs": 3}
    again = api.client.post("/v1/users", json=NEW_USER | {"email": "NEW@example.org"}, headers=admin)
    assert (again.status_code, again.json()["code"]) == (409, "email-taken")
    listed = api.client.get("/v1/users", headers=admin).json()["items"]
    assert [one["email"] for one in listed] == ["new@example.org", "root@example.org"]
    changed = api.client.patch(f"/v1/users/{user['id']}", json={"name": "New", "quota_jobs": 0}, headers=admin).json()
    assert (changed["name"], changed["quotas"]["jobs"], changed["role"]) == ("New", 0, "user")
    assert (changed.pop("revoked_logins"), changed.pop("revoked_api_keys")) == (0, 0)
    assert api.client.get(f"/v1/users/{user['id']}", headers=admin).json() == changed
    assert api.client.get("/v1/users/nobody", headers=admin).json()["code"] == "user-missing"
    assert api.client.patch("/v1/users/nobody", json={"name": "x"}, headers=admin).status_code == 404


def test_lists_come_in_pages(api: Api) -> None:
    admin = api.headers(api.user("root@example.org", "admin"))
    for number in range(5):
        api.user(f"u{number}@example.org")
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = api.client.get("/v1/users", params=query, headers=admin).json()
        seen += [one["email"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"u{number}@example.org" for number in reversed(range(5))] + ["root@example.org"]
    assert api.client.get("/v1/users?cursor=bm9uZQ", headers=admin).json()["code"] == "cursor"


def test_a_disabled_user_is_out_at_once(api: Api) -> None:
    admin = api.headers(api.user("root@example.org", "admin"))
    user_id = api.user("ada@example.org")
    logged_in = api.headers(user_id)
    key = api.client.post("/v1/api-keys", json={"name": "k"}, headers=logged_in).json()["key"]
    for headers in (logged_in, bearer(key)):
        assert api.client.get("/v1/me", headers=headers).status_code == 200
    assert api.client.patch(f"/v1/users/{user_id}", json={"disabled": True}, headers=admin).status_code == 200
    for headers in (logged_in, bearer(key)):
        assert api.client.get("/v1/me", headers=headers).status_code == 401
    assert api.log_in("ada@example.org").status_code == 401


def test_the_last_administrator_stays(api: Api) -> None:
    user_id = api.user("root@example.org", "admin")
    admin = api.headers(user_id)
    for change in ({"role": "user"}, {"disabled": True}):
        refused = api.client.patch(f"/v1/users/{user_id}", json=change, headers=admin)
        assert (refused.status_code, refused.json()["code"]) == (409, "last-admin")
    api.user("second@example.org", "admin")
    assert api.client.patch(f"/v1/users/{user_id}", json={"role": "user"}, headers=admin).status_code == 200
    assert api.client.get("/v1/users", headers=admin).status_code == 403


def test_api_keys_have_scopes_and_an_end(api: Api) -> None:
    user_id = api.user("ada@example.org")
    headers = api.headers(user_id)
    made = api.client.post("/v1/api-keys", json={"name": "reader", "scopes": ["read"]}, headers=headers).json()
    reader = bearer(made["key"])
    assert made["key"].startswith(made["prefix"])
    assert api.client.get("/v1/me", headers=reader).json()["scopes"] == ["read"]
    refused = api.client.patch("/v1/me", json={"name": "x"}, headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope-missing")
    listed = api.client.get("/v1/api-keys", headers=reader).json()["items"]
    assert [one["name"] for one in listed] == ["reader"]
    assert listed[0]["last_used_at"] is not None
    assert made["key"] not in api.client.get("/v1/api-keys", headers=headers).text

    beyond = api.client.post("/v1/api-keys", json={"name": "a", "scopes": ["admin"]}, headers=headers)
    assert beyond.json()["code"] == "scope-missing"
    writer = api.client.post("/v1/api-keys", json={"name": "writer"}, headers=headers).json()
    made_by_key = api.client.post("/v1/api-keys", json={"name": "b"}, headers=bearer(writer["key"]))
    assert made_by_key.json()["code"] == "login-only"

    assert api.client.delete(f"/v1/api-keys/{made['id']}", headers=headers).status_code == 204
    assert api.client.get("/v1/me", headers=reader).status_code == 401
    assert api.client.delete(f"/v1/api-keys/{made['id']}", headers=headers).status_code == 404
    with api.services.database.session() as session:
        past = now() - datetime.timedelta(seconds=1)
        tokens.add_api_key(session, user_id, "old", "e2e_old", "h" * 64, ("read",), past, past)
        assert tokens.user_of_api_key(session.connection(), "h" * 64, now()) is None


def test_a_user_has_so_many_keys(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2e3d.service.sign_in.api_key_routes.MAX_KEYS", 2)
    headers = api.headers(api.user("ada@example.org"))
    made = [api.client.post("/v1/api-keys", json={"name": "k", "scopes": ["read"]}, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 409]
    assert made[-1].json()["code"] == "too-many-keys"
    assert api.client.delete(f"/v1/api-keys/{made[0].json()['id']}", headers=headers).status_code == 204
    again = api.client.post("/v1/api-keys", json={"name": "k", "scopes": ["read"]}, headers=headers)
    assert again.status_code == 201


def test_a_key_loses_the_scope_that_its_user_lost(api: Api) -> None:
    api.user("root@example.org", "admin")
    second_id = api.user("second@example.org", "admin")
    second = api.headers(second_id)
    key = api.client.post("/v1/api-keys", json={"name": "k", "scopes": ["read", "admin"]}, headers=second).json()["key"]
    assert api.client.get("/v1/users", headers=bearer(key)).status_code == 200
    assert api.client.patch(f"/v1/users/{second_id}", json={"role": "user"}, headers=second).status_code == 200
    assert api.client.get("/v1/users", headers=bearer(key)).json()["code"] == "administrators-only"


def test_another_users_key_cannot_be_revoked(api: Api) -> None:
    ada, eve = api.headers(api.user("ada@example.org")), api.headers(api.user("eve@example.org"))
    key = api.client.post("/v1/api-keys", json={"name": "k"}, headers=ada).json()
    assert api.client.delete(f"/v1/api-keys/{key['id']}", headers=eve).status_code == 404
    assert api.client.get("/v1/me", headers=bearer(key["key"])).status_code == 200


def test_what_was_done_stands_in_the_audit_log(api: Api) -> None:
    admin = api.headers(api.user("root@example.org", "admin"))
    api.log_in("root@example.org", "wrong")
    made = api.client.post("/v1/users", json=NEW_USER, headers=admin | {"X-Request-ID": "the-request"}).json()
    entries = api.client.get("/v1/audit", headers=admin).json()["items"]
    assert [entry["action"] for entry in entries] == ["user.create", "login.failed"]
    assert (entries[0]["resource_id"], entries[0]["request_id"]) == (made["id"], "the-request")
    assert PASSWORD not in str(entries)
    pages = api.client.get("/v1/audit?limit=1", headers=admin).json()
    rest = api.client.get("/v1/audit", params={"cursor": pages["next_cursor"]}, headers=admin).json()["items"]
    assert pages["items"] + rest == entries
    only = api.client.get("/v1/audit", params={"action": "login.failed"}, headers=admin).json()["items"]
    assert [entry["action"] for entry in only] == ["login.failed"]
