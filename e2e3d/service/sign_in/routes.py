"""Logging in: tokens for people, refreshed and revoked."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from e2e3d.service.accounts import logins
from e2e3d.service.accounts.records import Actor
from e2e3d.service.http.problems import problem_responses
from e2e3d.service.services import Services
from e2e3d.service.sign_in.dependencies import ServicesOf
from e2e3d.service.sign_in.wire import Login, NewLogin, RefreshToken, Tokens

router = APIRouter(prefix="/v1/auth", tags=["Tokens"], responses=problem_responses(413, 422, 503))


@router.post("/login", summary="Log in", responses=problem_responses(401, 429))
def log_in(body: Login, request: Request, services: ServicesOf) -> NewLogin:
    """Exchange an email address and a password for an access token and a refresh token."""
    made = logins.log_in(services, body.email, body.password, body.device_token, actor_of(request))
    return NewLogin(**dict(_tokens(services, made.tokens)), device_token=made.device)


@router.post("/refresh", summary="Get a new access token", responses=problem_responses(401))
def refresh(body: RefreshToken, request: Request, services: ServicesOf) -> Tokens:
    """Exchange a refresh token for a new pair. A token that is used twice ends the login it belongs to."""
    return _tokens(services, logins.refresh(services, body.refresh_token, actor_of(request)))


@router.post("/logout", summary="Log out", status_code=204)
def log_out(body: RefreshToken, request: Request, services: ServicesOf) -> Response:
    """End a login: its refresh token and its access tokens are good no longer. Logging out twice is no error."""
    logins.log_out(services, body.refresh_token, actor_of(request))
    return Response(status_code=204)


def actor_of(request: Request) -> Actor:
    """Whoever sends a request, before it is known who that is."""
    state = request.scope.get("state", {})
    return Actor(None, state.get("address"), state.get("request_id"))


def _tokens(services: Services, pair: logins.TokenPair) -> Tokens:
    return Tokens(access_token=pair.access, refresh_token=pair.refresh, expires_in=services.tokens.good_for_s)
