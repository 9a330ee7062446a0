"""Signing in by an OpenID provider that really answers: who gets in as whom, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey
from pydantic import ValidationError
from sqlalchemy import select

from e2e3d.config.deployment.service import ServiceSettings, load_service_settings
from e2e3d.errors import SettingsError
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.administration.audit_table import AuditRow
from e2e3d.service.open_id.sign_in_attempts import AttemptSigner, new_attempt
from tests.service.api import Api, open_api
from tests.service.open_id.provider_of_tests import CLIENT_ID, CLIENT_SECRET, Claims, Provider, open_id_provider

OWN_PAGE = {"X-E2E3D-Page": "1"}
ADA = {"email": "Ada@Example.org", "email_verified": True, "name": "Ada <b>"}


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with open_id_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.claims, running.signs_with = dict(ADA), None
    running.lie = lambda claims: claims
    return running


class SignIn:
    """A service that knows the provider, and a browser that goes there and back."""

    def __init__(self, api: Api, provider: Provider) -> None:
        self.api, self.provider = api, provider

    def answer(self, to: str = "/jobs/7") -> str:
        """The address that the provider sends the browser back to."""
        begun = self.api.client.get("/v1/auth/oidc/begin", params={"to": to}, follow_redirects=False)
        assert begun.status_code == 303
        back = httpx.get(begun.headers["location"])
        url = urlsplit(back.headers["location"])
        return f"{url.path}?{url.query}"

    def follow(self, answer: str) -> str:
        """Where the browser ends."""
        ended = self.api.client.get(answer, follow_redirects=False)
        assert ended.status_code == 303
        return str(ended.headers["location"])

    def end(self) -> str:
        return self.follow(self.answer())

    def me(self) -> dict[str, Any] | None:
        """Whoever is signed in, by the cookie that was set."""
        token = self.api.client.post("/v1/auth/session/refresh", headers=OWN_PAGE)
        if token.status_code == 204:
            return None
        headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
        return dict(self.api.client.get("/v1/me", headers=headers).json())

    def reasons(self) -> list[str]:
        with self.api.services.database.reading() as session:
            rows = session.scalars(select(AuditRow).where(AuditRow.action == "login.failed").order_by(AuditRow.id))
            return [str(row.detail["why"]) for row in rows]


def signing_in(tmp_path: Path, provider: Provider, **settings: Any) -> Any:
    given = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
    url = {"public_url": "http://testserver"}
    return open_api(f"sqlite:///{tmp_path / 'embedded.sqlite'}", tmp_path, **given | url | settings)


@pytest.fixture
def sign_in(tmp_path: Path, provider: Provider) -> Iterator[SignIn]:
    with signing_in(tmp_path, provider) as api:
        yield SignIn(api, provider)


def test_the_first_sign_in_makes_an_account_and_the_next_finds_it(sign_in: SignIn) -> None:
    assert sign_in.api.client.get("/v1/auth/oidc").json() == {"provider": "127.0.0.1"}
    assert sign_in.end() == "/jobs/7"
    me = sign_in.me()
    assert me is not None
    assert (me["email"], me["name"], me["role"]) == ("ada@example.org", "Ada <b>", "user")
    asked = sign_in.provider.asked[-1]
    assert (asked["prompt"], asked["scope"]) == ("select", "openid email profile")
    assert asked["redirect_uri"] == "http://testserver/v1/auth/oidc/callback"
    sign_in.provider.claims = {"email": "other@example.org", "email_verified": False}  # the subject is what counts
    assert sign_in.end() == "/jobs/7"
    again = sign_in.me()
    assert again is not None
    assert again["id"] == me["id"]


def test_two_accounts_of_the_provider_are_two_users(sign_in: SignIn) -> None:
    sign_in.end()
    ada = sign_in.me()
    sign_in.provider.claims = {"sub": "subject-2", "email": "eve@example.org", "email_verified": True}
    sign_in.end()
    eve = sign_in.me()
    assert ada is not None
    assert eve is not None
    assert ada["id"] != eve["id"]


def test_nobody_gets_an_account_by_an_address_that_is_not_verified(sign_in: SignIn) -> None:
    sign_in.api.user("ada@example.org", "admin")
    for said in ({}, {"email_verified": False}, {"email_verified": "false"}, {"email_verified": None}):
        sign_in.provider.claims = {"email": "ada@example.org"} | said
        assert sign_in.end() == "/sign-in#oidc-email"
        assert sign_in.me() is None
    sign_in.provider.claims["email_verified"] = True
    assert sign_in.end() == "/jobs/7"
    me = sign_in.me()
    assert me is not None
    assert me["role"] == "admin"


def test_who_is_disabled_or_deleted_stays_out(sign_in: SignIn) -> None:
    sign_in.end()
    with sign_in.api.services.database.session() as session:
        session.scalars(select(UserRow).where(UserRow.email == "ada@example.org")).one().disabled = True
    sign_in.api.client.cookies.clear()
    assert sign_in.end() == "/sign-in#oidc-account"
    assert sign_in.me() is None


LIES: dict[str, Any] = {
    "another nonce": lambda claims: claims | {"nonce": "x"},
    "no nonce": lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
    "another audience": lambda claims: claims | {"aud": "somebody-else"},
    "expired": lambda claims: claims | {"exp": claims["iat"] - 3600},
    "no end": lambda claims: {name: value for name, value in claims.items() if name != "exp"},
    "another issuer": lambda claims: claims | {"iss": "https://evil.example"},
    "no subject": lambda claims: {name: value for name, value in claims.items() if name != "sub"},
    "for several, and from none of them": lambda claims: claims | {"aud": [CLIENT_ID, "x"], "azp": "x"},
}


def test_a_token_that_is_not_for_this_sign_in_is_refused(sign_in: SignIn) -> None:
    for name, lie in LIES.items():
        sign_in.provider.lie = lie
        assert sign_in.end() == "/sign-in#oidc-token", name
        assert sign_in.me() is None
    sign_in.provider.lie = lambda claims: claims
    sign_in.provider.signs_with = RSAKey.generate_key(2048, {"kid": "1"})
    assert sign_in.end() == "/sign-in#oidc-token"


def test_an_answer_is_good_once_in_the_browser_that_asked(sign_in: SignIn) -> None:
    answer = sign_in.answer()
    cookies = dict(sign_in.api.client.cookies)
    assert sign_in.follow(answer) == "/jobs/7"
    assert sign_in.follow(answer) == "/sign-in#oidc-state"  # the cookie is gone
    for name, value in cookies.items():
        sign_in.api.client.cookies.set(name, value, path="/v1/auth/oidc")
    assert sign_in.follow(answer) == "/sign-in#oidc-state"  # and with it, it was used before
    assert sign_in.reasons()[-1] == "the answer was used before"

    of_another = sign_in.answer()
    sign_in.api.client.cookies.clear()
    assert sign_in.follow(of_another) == "/sign-in#oidc-state"
    state = parse_qs(urlsplit(sign_in.answer()).query)["state"][0]
    assert sign_in.follow(f"/v1/auth/oidc/callback?code=x&state={state[:-1]}") == "/sign-in#oidc-state"
    state = parse_qs(urlsplit(sign_in.answer()).query)["state"][0]
    assert sign_in.follow(f"/v1/auth/oidc/callback?error=access_denied&state={state}") == "/sign-in#oidc-denied"
    assert sign_in.me() is None


def test_an_attempt_of_another_service_or_of_long_ago_is_refused() -> None:
    import datetime

    from e2e3d.service.database.table_base import now
    from e2e3d.service.open_id.refusals import OpenIdRefused

    attempt, signer = new_attempt("/sets"), AttemptSigner("k" * 40)
    assert signer.read(signer.sign(attempt, now()), attempt.state) == attempt
    for carried in (
        signer.sign(attempt, now() - datetime.timedelta(minutes=11)),
        AttemptSigner("j" * 40).sign(attempt, now()),
        "x.y.z",
        None,
    ):
        with pytest.raises(OpenIdRefused, match="oidc-state"):
            signer.read(carried, attempt.state)


def test_nobody_is_sent_to_another_site(sign_in: SignIn) -> None:
    for to in ("//evil.example", "https://evil.example", "/a//b", "/\\evil", "sets"):
        answer = sign_in.api.client.get("/v1/auth/oidc/begin", params={"to": to}, follow_redirects=False)
        assert answer.status_code == 422, to


def test_domains_and_the_claim_of_administrators(tmp_path: Path, provider: Provider) -> None:
    rules = {"oidc_domains": ("example.org",), "oidc_admin_claim": "groups=staff"}
    with signing_in(tmp_path, provider, **rules) as api:
        sign_in = SignIn(api, provider)
        for email in ("ada@example.org.evil.example", "ada@evil-example.org", "example.org"):
            provider.claims = ADA | {"email": email}
            assert sign_in.end() == "/sign-in#oidc-domain"

        def role(claims: Claims) -> str:
            provider.claims = ADA | claims
            assert sign_in.end() == "/jobs/7"
            me = sign_in.me()
            assert me is not None
            return str(me["role"])

        assert role({"groups": "staffers"}) == "user"
        assert role({"groups": ["x", "staff"]}) == "admin"
        assert role({"groups": ["x"]}) == "admin"  # the last administrator stays one
        api.user("root@example.org", "admin")
        assert role({}) == "user"
        assert role({"groups": "staff"}) == "admin"


def test_a_provider_that_is_away_or_another_one_is_said(tmp_path: Path, provider: Provider) -> None:
    with signing_in(tmp_path, provider, oidc_issuer="http://127.0.0.1:9") as api:
        answer = api.client.get("/v1/auth/oidc/begin", follow_redirects=False)
        assert answer.headers["location"] == "/sign-in#oidc-provider"
    with signing_in(tmp_path, provider, oidc_issuer=f"{provider.issuer}/") as api:  # not as it names itself
        answer = api.client.get("/v1/auth/oidc/begin", follow_redirects=False)
        assert answer.headers["location"] == "/sign-in#oidc-provider"


def test_without_a_provider_there_are_passwords_only(embedded_api: Api) -> None:
    assert embedded_api.client.get("/v1/auth/oidc").json() == {"provider": None}
    for path in ("begin", "callback"):
        assert embedded_api.client.get(f"/v1/auth/oidc/{path}", follow_redirects=False).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [{"oidc_issuer": "http://login.example.org"}, {"oidc_scopes": "email"}, {"oidc_admin_claim": "groups="}],
)
def test_settings_that_would_be_unsafe_or_mean_nothing(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServiceSettings(**wrong)


def test_an_issuer_needs_a_client_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2E3D_OIDC_ISSUER", "https://login.example.org")
    with pytest.raises(SettingsError, match="CLIENT_ID"):
        load_service_settings()
