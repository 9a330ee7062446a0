"""Guessing of passwords is slowed down, and nobody is locked out by what others try."""

import asyncio
import concurrent.futures
import contextlib
import datetime
from pathlib import Path

import httpx
import pytest

from e2e3d.service.database.table_base import now
from e2e3d.service.http.problems import ProblemError
from e2e3d.service.sign_in.device_tokens import DeviceTokens
from e2e3d.service.sign_in.throttle import ACCOUNT_LIMIT, ADDRESS_LIMIT, DEVICE_LIMIT, PAIR_LIMIT
from tests.servers import RedisServer
from tests.service.api import PASSWORD, Api, open_api

ADA = "ada@example.org"


def log_in_from(
    api: Api, address: str, password: str = PASSWORD, email: str = ADA, device_token: str | None = None, **headers: str
) -> httpx.Response:
    async def attempt() -> httpx.Response:
        transport = httpx.ASGITransport(api.app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            body = {"email": email, "password": password, "device_token": device_token}
            return await client.post("/v1/auth/login", json=body, headers=headers)

    return asyncio.run(attempt())


def exhaust(api: Api, address: str) -> None:
    """Attempts at the same time cannot exceed the limit together, and the right password does not help then."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        tried = pool.map(lambda _: log_in_from(api, address, "wrong").status_code, range(PAIR_LIMIT + 5))
    assert sorted(tried) == [401] * PAIR_LIMIT + [429] * 5
    refused = log_in_from(api, address, email="ADA@example.org ")
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-logins")
    assert 0 < int(refused.headers["Retry-After"]) <= 900


def exhaust_account(api: Api) -> None:
    with contextlib.suppress(ProblemError):
        for number in range(ACCOUNT_LIMIT):
            api.services.throttle.attempt(ADA, f"198.51.{number // 250}.{number % 250}")


def test_guessing_slows_down_whoever_guesses_and_nobody_else(api: Api) -> None:
    api.user(ADA)
    api.user("bob@example.org")
    exhaust(api, "203.0.113.9")
    assert log_in_from(api, "203.0.113.9", email="bob@example.org").status_code == 200
    assert log_in_from(api, "203.0.113.10").status_code == 200
    assert log_in_from(api, "203.0.113.9").status_code == 429  # a login elsewhere does not help who guesses


def test_a_header_does_not_make_another_address(embedded_api: Api) -> None:
    embedded_api.user(ADA)
    codes = [
        log_in_from(embedded_api, "127.0.0.1", "wrong", **{"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in range(PAIR_LIMIT + 1)
    ]
    assert codes == [401] * PAIR_LIMIT + [429]


def test_addresses_of_one_network_of_ipv6_are_one(embedded_api: Api) -> None:
    throttle = embedded_api.services.throttle
    for number in range(PAIR_LIMIT):
        throttle.attempt(ADA, f"2001:db8::{number:x}:1")
    with pytest.raises(ProblemError):
        throttle.attempt(ADA, "2001:db8::ffff:1")
    throttle.attempt(ADA, "2001:db8:0:1::1")


def test_a_known_device_is_never_locked_out_by_others(api: Api) -> None:
    """Neither by its neighbours behind one address, nor by guesses from everywhere."""
    api.user(ADA)
    token = log_in_from(api, "203.0.113.9").json()["device_token"]
    exhaust(api, "203.0.113.9")
    exhaust_account(api)
    assert log_in_from(api, "192.0.2.1").status_code == 429  # a device that nobody knows
    for address in ("203.0.113.9", "192.0.2.1"):
        again = log_in_from(api, address, device_token=token)
        assert again.status_code == 200
        assert again.json()["device_token"] != token


def test_a_known_device_has_attempts_of_its_own(embedded_api: Api) -> None:
    embedded_api.user(ADA)
    token = log_in_from(embedded_api, "203.0.113.9").json()["device_token"]
    codes = [
        log_in_from(embedded_api, f"203.0.113.{number}", "wrong", device_token=token).status_code
        for number in range(DEVICE_LIMIT + 1)
    ]
    assert codes == [401] * DEVICE_LIMIT + [429]
    assert log_in_from(embedded_api, "203.0.113.9").status_code == 200


def test_a_token_of_a_device_counts_for_its_account_and_for_a_year() -> None:
    devices, at = DeviceTokens("k" * 40), now()
    token = devices.new(ADA, at)
    device = devices.device_of(token, " ADA@example.org", at)
    assert device
    assert devices.device_of(token, ADA, at + datetime.timedelta(days=365)) == device
    assert devices.device_of(token, ADA, at + datetime.timedelta(days=366)) is None
    assert devices.device_of(token, "bob@example.org", at) is None
    assert DeviceTokens("x" * 40).device_of(token, ADA, at) is None
    for forged in (None, "", "e2d_", token[:-1], token.replace("e2d_", "e2d_9"), "e2d_1.ä.b", "...."):
        assert devices.device_of(forged, ADA, at) is None


def test_an_address_is_throttled_whatever_accounts_it_tries(embedded_api: Api) -> None:
    for number in range(ADDRESS_LIMIT):
        embedded_api.services.throttle.attempt(f"user{number}@example.org", "10.0.0.1")
    embedded_api.services.throttle.attempt("last@example.org", "10.0.0.2")
    with pytest.raises(ProblemError, match="too many attempts"):
        embedded_api.services.throttle.attempt("last@example.org", "10.0.0.1")


def test_an_account_is_slowed_down_however_many_addresses_try_it(api: Api) -> None:
    exhaust_account(api)
    with pytest.raises(ProblemError, match="too many attempts"):
        api.services.throttle.attempt(ADA, "192.0.2.1")
    api.services.throttle.attempt("bob@example.org", "192.0.2.1")


def test_a_login_that_succeeds_forgets_the_failures_of_who_made_them(api: Api) -> None:
    api.user(ADA)
    for _ in range(3):
        for _ in range(PAIR_LIMIT - 1):
            api.services.throttle.attempt(ADA, "203.0.113.9")
        assert log_in_from(api, "203.0.113.9").status_code == 200


def test_logins_that_succeed_are_not_counted(api: Api) -> None:
    throttle = api.services.throttle
    for _ in range(ACCOUNT_LIMIT + 1):
        throttle.succeeded(throttle.attempt(ADA, "203.0.113.9"))


def test_whoever_has_a_session_may_err_about_the_password_as_often(embedded_api: Api) -> None:
    """Guesses of strangers do not keep a user from changing the password, and a stolen session may not guess on."""
    headers = embedded_api.headers(embedded_api.user(ADA))
    exhaust_account(embedded_api)
    wrong = {"current_password": "wrong", "new_password": "another long one"}
    codes = [
        embedded_api.client.put("/v1/me/password", json=wrong, headers=headers).status_code
        for _ in range(DEVICE_LIMIT + 1)
    ]
    assert codes == [403] * DEVICE_LIMIT + [429]


@pytest.mark.slow
def test_redis_counts_logins_and_the_database_does_while_it_is_away(tmp_path: Path, redis_server: RedisServer) -> None:
    with open_api(f"sqlite:///{tmp_path / 'x.sqlite'}", tmp_path, redis_url=redis_server.url) as api:
        test_a_known_device_is_never_locked_out_by_others(api)
        for _ in range(3):
            for _ in range(PAIR_LIMIT - 1):
                api.services.throttle.attempt("bob@example.org", None)
            api.services.throttle.succeeded(api.services.throttle.attempt("bob@example.org", None))
        redis_server.stop()
        try:
            assert log_in_from(api, "203.0.113.77", "wrong").status_code == 401
            for _ in range(PAIR_LIMIT - 1):
                api.services.throttle.attempt(ADA, "203.0.113.77")
            assert log_in_from(api, "203.0.113.77").status_code == 429
        finally:
            redis_server.start()
