"""Signing in by the organisation's provider: a browser goes there and comes back with a code."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from e2e3d.service.administration import audit
from e2e3d.service.database.table_base import now
from e2e3d.service.http.problems import missing, problem_responses
from e2e3d.service.open_id.open_id_login import log_in_by_provider
from e2e3d.service.open_id.provider import OpenIdProvider
from e2e3d.service.open_id.refusals import OpenIdRefused
from e2e3d.service.open_id.sign_in_attempts import GOOD_FOR, AttemptSigner, new_attempt
from e2e3d.service.open_id.wire import SignInWays
from e2e3d.service.services import Services
from e2e3d.service.sign_in.dependencies import ServicesOf
from e2e3d.service.sign_in.routes import actor_of
from e2e3d.service.sign_in.session_routes import keep_login

PATH = "/v1/auth/oidc"
router = APIRouter(prefix=PATH, tags=["Tokens"], responses=problem_responses(404, 422, 503))
_COOKIE = "e2e3d-oidc-"
_COOKIE_CHARACTERS = 12
_Path = Annotated[str, Query(max_length=200, pattern=r"^/([A-Za-z0-9_-]+/?)*$", description="Of the page, afterwards.")]
_Said = Annotated[str | None, Query(max_length=4096)]
_REDIRECT: dict[int | str, dict[str, Any]] = {303: {"description": "On to the next address."}}


@router.get("", summary="How can one sign in?")
def get_sign_in_ways(services: ServicesOf) -> SignInWays:
    """What the organisation's provider is called, where there is one."""
    return SignInWays(provider=services.open_id.name if services.open_id else None)


@router.get("/begin", summary="Sign in by the provider", status_code=303, response_class=Response, responses=_REDIRECT)
def begin_oidc(services: ServicesOf, to: _Path = "/sets") -> Response:
    """Send a browser to the provider, which sends it back."""
    provider, attempt = _provider(services), new_attempt(to)
    try:
        answer = RedirectResponse(provider.authorization_url(attempt), 303)
    except OpenIdRefused as refused:
        return _refused(refused)
    answer.set_cookie(
        _COOKIE + attempt.state[:_COOKIE_CHARACTERS],
        _signer(services).sign(attempt, now()),
        max_age=int(GOOD_FOR.total_seconds()),
        path=PATH,
        secure=services.settings.url.startswith("https://"),
        httponly=True,
        samesite="lax",  # it comes along when the provider sends the browser back
    )
    return answer


@router.get(
    "/callback", summary="Come back from the provider", status_code=303, response_class=Response, responses=_REDIRECT
)
def end_oidc(
    request: Request, services: ServicesOf, state: _Said = None, code: _Said = None, error: _Said = None
) -> Response:
    """Where the provider sends a browser back to: it is signed in, or told why not, in the page."""
    provider, actor = _provider(services), actor_of(request)
    cookie = _COOKIE + (state or "")[:_COOKIE_CHARACTERS]
    try:
        attempt = _signer(services).read(request.cookies.get(cookie), state or "")
        if error is not None or code is None:
            raise OpenIdRefused("oidc-denied", (error or "no code")[:200])
        made = log_in_by_provider(services, provider, attempt, code, actor)
    except OpenIdRefused as refused:
        with services.database.session() as session:
            audit.record(session, actor, "login.failed", "user", None, by="oidc", code=refused.code, why=refused.reason)
        answer = _refused(refused)
    else:
        answer = RedirectResponse(attempt.to, 303)
        keep_login(answer, services, made)
    if cookie in request.cookies:
        answer.delete_cookie(cookie, path=PATH)
    return answer


def _provider(services: Services) -> OpenIdProvider:
    if services.open_id is None:
        raise missing("provider")
    return services.open_id


def _signer(services: Services) -> AttemptSigner:
    return AttemptSigner(services.settings.secret_key or "")


def _refused(refused: OpenIdRefused) -> Response:
    return RedirectResponse(f"/sign-in#{quote(refused.code)}", 303)
