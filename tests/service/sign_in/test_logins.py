import concurrent.futures
import datetime
import json
import time
from pathlib import Path

import httpx
import jwt
import pytest

from e2e3d.service.accounts.logins import create_first_admin
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.administration.tables import ServiceStateRow
from e2e3d.service.database.table_base import now
from e2e3d.service.sign_in.session_routes import PAGE_HEADER
from e2e3d.service.sign_in.tokens import AccessClaims, TokenSigner
from tests.service.api import PASSWORD, Api, bearer, open_api


def test_a_login_gives_tokens_that_work(api: Api) -> None:
    user_id = api.user("Ada@Example.org")
    answer = api.log_in(" ada@example.ORG ")
    assert answer.status_code == 200
    tokens = answer.json()
    assert tokens["expires_in"] == api.services.settings.access_token_s
    me = api.client.get("/v1/me", headers=bearer(tokens["access_token"])).json()
    assert (me["id"], me["email"], me["scopes"]) == (user_id, "ada@example.org", ["read", "write"])


def test_a_wrong_password_and_an_unknown_user_look_the_same(api: Api) -> None:
    api.user("ada@example.org")
    wrong, unknown = api.log_in("ada@example.org", "not this one"), api.log_in("eve@example.org")
    assert wrong.status_code == unknown.status_code == 401
    hidden = {"request_id"}
    assert {k: v for k, v in wrong.json().items() if k not in hidden} == {
        k: v for k, v in unknown.json().items() if k not in hidden
    }
    assert wrong.json()["code"] == "wrong-credentials"


def test_an_unknown_user_costs_as_much_time_as_a_wrong_password(embedded_api: Api) -> None:
    """In CPU time of this process, the least of several tries each; without the dummy hash the ratio is below 0.2."""
    passwords = embedded_api.services.passwords
    passwords.matches(None, "warm")

    def least_s(password_hash: str | None) -> float:
        times = []
        for _ in range(5):
            begun_s = time.process_time()
            assert not passwords.matches(password_hash, "wrong")
            times.append(time.process_time() - begun_s)
        return min(times)

    ratio = least_s(None) / least_s(embedded_api.password_hash)
    assert 0.5 < ratio < 2


def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_login(api: Api) -> None:
    api.user("ada@example.org")
    first = api.log_in("ada@example.org").json()
    other = api.log_in("ada@example.org").json()
    second = api.client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]}).json()
    assert api.client.get("/v1/me", headers=bearer(second["access_token"])).status_code == 200

    stolen = api.client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    assert (stolen.status_code, stolen.json()["code"]) == (401, "refresh-token-reused")
    for token in (first, second):
        assert api.client.get("/v1/me", headers=bearer(token["access_token"])).json()["code"] == "token-invalid"
    refused = api.client.post("/v1/auth/refresh", json={"refresh_token": second["refresh_token"]})
    assert refused.json()["code"] == "refresh-token-invalid"
    assert api.client.get("/v1/me", headers=bearer(other["access_token"])).status_code == 200


def test_of_many_refreshes_at_once_only_one_succeeds(api: Api) -> None:
    api.user("ada@example.org")
    body = {"refresh_token": api.log_in("ada@example.org").json()["refresh_token"]}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.client.post("/v1/auth/refresh", json=body).status_code, range(8)))
    assert sorted(answers) == [200] + [401] * 7


def test_logging_out_ends_access_at_once(api: Api) -> None:
    api.user("ada@example.org")
    tokens = api.log_in("ada@example.org").json()
    body = {"refresh_token": tokens["refresh_token"]}
    assert api.client.get("/v1/me", headers=bearer(tokens["access_token"])).status_code == 200
    assert api.client.post("/v1/auth/logout", json=body).status_code == 204
    assert api.client.get("/v1/me", headers=bearer(tokens["access_token"])).status_code == 401
    assert api.client.post("/v1/auth/refresh", json=body).status_code == 401
    assert api.client.post("/v1/auth/logout", json=body).status_code == 204


def test_tokens_expire(api: Api) -> None:
    user_id = api.user("ada@example.org")
    hour = datetime.timedelta(hours=1)
    old = api.services.tokens.sign(user_id, "login", now() - hour)
    assert api.client.get("/v1/me", headers=bearer(old)).json()["code"] == "token-expired"


def test_a_token_that_was_verified_before_expires_too(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = TokenSigner("k" * 40, good_for_s=60)
    token = signer.sign("ada", "login", now())
    assert signer.read(token) == signer.read(token) == AccessClaims("ada", "login")
    later_s = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later_s)
    with pytest.raises(jwt.ExpiredSignatureError):
        signer.read(token)


def test_a_new_password_ends_other_logins(api: Api) -> None:
    api.user("ada@example.org")
    mine, other = api.log_in("ada@example.org").json(), api.log_in("ada@example.org").json()
    body = {"current_password": PASSWORD, "new_password": "another long one"}
    wrong = api.client.put(
        "/v1/me/password", json=body | {"current_password": "x"}, headers=bearer(mine["access_token"])
    )
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong-credentials")
    done = api.client.put("/v1/me/password", json=body, headers=bearer(mine["access_token"]))
    assert done.status_code == 204
    assert api.client.get("/v1/me", headers=bearer(mine["access_token"])).status_code == 200
    assert api.client.get("/v1/me", headers=bearer(other["access_token"])).status_code == 401
    assert api.log_in("ada@example.org").status_code == 401
    assert api.log_in("ada@example.org", "another long one").status_code == 200


def test_the_first_administrator_is_made_once(api: Api) -> None:
    settings = api.services.settings
    assert create_first_admin(api.services) is None  # the password was set, so nothing is told
    assert api.log_in(settings.admin_email).status_code == 200
    assert create_first_admin(api.services) is None


def test_a_random_password_of_the_first_administrator_is_told(tmp_path: Path) -> None:
    with open_api(f"sqlite:///{tmp_path / 'x.sqlite'}", tmp_path, admin_password=None) as api:
        told = create_first_admin(api.services)
        assert told is not None
        assert api.log_in(told.email, told.password).status_code == 200


def test_the_link_of_the_first_administrator_signs_in_once(tmp_path: Path) -> None:
    with open_api(f"sqlite:///{tmp_path / 'x.sqlite'}", tmp_path, admin_password=None) as api:
        told = create_first_admin(api.services)
        assert told is not None
        address, token = told.link.split("#")
        assert address == f"{api.services.settings.url}/sign-in"
        with api.services.database.reading() as session:
            kept = session.get(ServiceStateRow, "first-sign-in-link")
            assert kept is not None
            assert token not in json.dumps(kept.value)

        def use(given: str) -> httpx.Response:
            return api.client.post("/v1/auth/session/link", json={"token": given}, headers={PAGE_HEADER: "1"})

        assert use(f"{token[:-1]}{'a' if token[-1] != 'a' else 'b'}").status_code == 401
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(use, [token] * 8))
        assert sorted(each.status_code for each in answers) == [200, *[401] * 7]
        (signed_in,) = (each for each in answers if each.status_code == 200)
        assert "set-cookie" in signed_in.headers
        me = api.client.get("/v1/me", headers=bearer(signed_in.json()["access_token"])).json()
        assert (me["email"], me["role"]) == (told.email, "admin")


@pytest.mark.parametrize("spoiled", ["expired", "disabled", "cross-site"])
def test_the_link_of_the_first_administrator_can_be_too_late(tmp_path: Path, spoiled: str) -> None:
    with open_api(f"sqlite:///{tmp_path / 'x.sqlite'}", tmp_path, admin_password=None) as api:
        told = create_first_admin(api.services)
        assert told is not None
        user_id = api.client.get("/v1/me", headers=bearer(api.log_in(told.email, told.password).json()["access_token"]))
        with api.services.database.session() as session:
            row = session.get_one(ServiceStateRow, "first-sign-in-link")
            if spoiled == "expired":
                row.value = row.value | {"expires_at": (now() - datetime.timedelta(seconds=1)).isoformat()}
            if spoiled == "disabled":
                session.get_one(UserRow, user_id.json()["id"]).disabled = True
        headers = {} if spoiled == "cross-site" else {PAGE_HEADER: "1"}
        answer = api.client.post("/v1/auth/session/link", json={"token": told.link.split("#")[1]}, headers=headers)
        assert answer.status_code == (403 if spoiled == "cross-site" else 401)
        assert "set-cookie" not in answer.headers


def test_a_login_is_listed_and_ended(api: Api) -> None:
    ada, eve = api.user("ada@example.org"), api.user("eve@example.org")
    first = bearer(api.log_in("ada@example.org").json()["access_token"])
    second = api.log_in("ada@example.org").json()
    api.client.post("/v1/auth/refresh", json={"refresh_token": second["refresh_token"]})
    found = api.client.get("/v1/me/sessions", headers=first).json()["items"]
    assert [each["current"] for each in found] == [False, True]
    assert {each["address"] for each in found} == {"testclient"}
    other = found[0]["id"]
    assert api.client.delete(f"/v1/me/sessions/{other}", headers=api.headers(eve)).status_code == 404
    assert api.client.delete(f"/v1/me/sessions/{other}", headers=first).status_code == 204
    assert api.client.get("/v1/me", headers=bearer(second["access_token"])).status_code == 401
    assert api.client.get("/v1/me", headers=first).status_code == 200
    assert [each["id"] for each in api.client.get("/v1/me/sessions", headers=first).json()["items"]] == [found[1]["id"]]
    assert api.client.delete(f"/v1/me/sessions/{other}", headers=first).status_code == 404
    key = api.client.post("/v1/api-keys", headers=first, json={"name": "k"}).json()["key"]
    refused = api.client.delete(f"/v1/me/sessions/{found[1]['id']}", headers=bearer(key))
    assert (refused.status_code, refused.json()["code"]) == (403, "login-only")
    assert ada != eve
