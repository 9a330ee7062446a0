"""Logins of browsers: what the cookies are like, that they rotate, and that other sites cannot use them."""

from __future__ import annotations

import httpx
import pytest
from starlette.testclient import TestClient

from e2e3d.service.sign_in.session_routes import DEVICE_COOKIE, PAGE_HEADER, REFRESH_COOKIE
from tests.service.api import PASSWORD, Api, bearer, open_api

SESSION, REFRESH = "/v1/auth/session", "/v1/auth/session/refresh"
PAGE = {PAGE_HEADER: "1"}
LOGIN = {"email": "ada@example.org", "password": PASSWORD}


@pytest.fixture
def browser(embedded_api: Api) -> TestClient:
    embedded_api.user("ada@example.org")
    return embedded_api.client


def log_in(browser: TestClient) -> httpx.Response:
    answer = browser.post(SESSION, json=LOGIN, headers=PAGE)
    assert answer.status_code == 200, answer.text
    return answer


def test_the_refresh_token_is_only_in_a_cookie_that_scripts_cannot_read(browser: TestClient) -> None:
    answer = log_in(browser)
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    cookies = {line.split("=", 1)[0]: line for line in answer.headers.get_list("set-cookie")}
    assert set(cookies) == {REFRESH_COOKIE, DEVICE_COOKIE}
    for line in cookies.values():
        assert {"httponly", "samesite=strict", f"path={SESSION}"} <= {part.strip().lower() for part in line.split(";")}
    assert browser.get("/v1/me", headers=bearer(answer.json()["access_token"])).json()["email"] == "ada@example.org"


def test_cookies_are_secure_where_the_service_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("secure")
    with open_api(f"sqlite:///{home / 'db.sqlite'}", home, public_url="https://models.example.org") as api:
        api.user("ada@example.org")
        lines = log_in(api.client).headers.get_list("set-cookie")
        assert len(lines) == 2
        assert all("secure" in line.lower() for line in lines)


def test_the_cookie_rotates_and_a_copy_of_an_old_one_ends_the_login(browser: TestClient) -> None:
    log_in(browser)
    stolen = browser.cookies[REFRESH_COOKIE]
    renewed = browser.post(REFRESH, headers=PAGE)
    assert renewed.status_code == 200
    assert browser.cookies[REFRESH_COOKIE] != stolen
    token = renewed.json()["access_token"]
    assert browser.get("/v1/me", headers=bearer(token)).status_code == 200

    copied = browser.post(REFRESH, headers=PAGE | {"cookie": f"{REFRESH_COOKIE}={stolen}"})
    assert copied.status_code == 204
    assert browser.get("/v1/me", headers=bearer(token)).status_code == 401


def test_nobody_logged_in_is_an_answer_and_no_error(browser: TestClient) -> None:
    assert browser.post(REFRESH, headers=PAGE).status_code == 204
    answer = browser.post(REFRESH, headers=PAGE | {"cookie": f"{REFRESH_COOKIE}=e2r_forged"})
    assert answer.status_code == 204
    assert f'{REFRESH_COOKIE}=""' in answer.headers["set-cookie"]


def test_logging_out_ends_the_login_and_removes_the_cookie(browser: TestClient) -> None:
    token = log_in(browser).json()["access_token"]
    kept = browser.cookies[REFRESH_COOKIE]
    assert browser.delete(SESSION, headers=PAGE).status_code == 204
    assert REFRESH_COOKIE not in browser.cookies
    assert browser.get("/v1/me", headers=bearer(token)).status_code == 401
    assert browser.post(REFRESH, headers=PAGE | {"cookie": f"{REFRESH_COOKIE}={kept}"}).status_code == 204
    assert browser.delete(SESSION, headers=PAGE).status_code == 204


@pytest.mark.parametrize("headers", [{}, PAGE | {"Sec-Fetch-Site": "cross-site"}, PAGE | {"Sec-Fetch-Site": "none"}])
def test_other_sites_are_refused_and_change_nothing(browser: TestClient, headers: dict[str, str]) -> None:
    token = log_in(browser).json()["access_token"]
    before = browser.cookies[REFRESH_COOKIE]
    refused = [
        browser.post(SESSION, json=LOGIN, headers=headers),
        browser.post(REFRESH, headers=headers),
        browser.delete(SESSION, headers=headers),
    ]
    assert [(each.status_code, each.json()["code"]) for each in refused] == [(403, "cross-site")] * 3
    assert browser.cookies[REFRESH_COOKIE] == before
    assert browser.get("/v1/me", headers=bearer(token)).status_code == 200
    assert browser.post(REFRESH, headers=PAGE | {"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_wrong_passwords_are_refused_as_elsewhere(browser: TestClient) -> None:
    answer = browser.post(SESSION, json=LOGIN | {"password": "wrong"}, headers=PAGE)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong-credentials")
    assert "set-cookie" not in answer.headers
