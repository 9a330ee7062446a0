"""Logins of browsers: the refresh token lies in a cookie that no script can read, and only our own page may use it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from e2e3d.service.accounts import logins
from e2e3d.service.http.problems import ProblemError, problem_responses
from e2e3d.service.services import Services
from e2e3d.service.sign_in.dependencies import ServicesOf
from e2e3d.service.sign_in.routes import actor_of
from e2e3d.service.sign_in.wire import BrowserLogin, SessionToken, SignInLink

PATH = "/v1/auth/session"
REFRESH_COOKIE, DEVICE_COOKIE = "e2e3d-session", "e2e3d-device"
PAGE_HEADER = "X-E2E3D-Page"
_DEVICE_S = 365 * 24 * 3600


def require_own_page(
    page: Annotated[str | None, Header(alias=PAGE_HEADER, description="Any value; other sites cannot send it.")] = None,
    sec_fetch_site: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> None:
    """Refuse requests that another site made a browser send (CSRF).

    A header of our own needs the permission of CORS when another site sends it, which the service gives to nobody;
    browsers also say themselves where a request comes from.

    Raises:
        ProblemError: ``cross-site`` (403).
    """
    if page is None or sec_fetch_site not in (None, "same-origin"):
        raise ProblemError(
            403, "cross-site", "The request does not come from the service's own page.", f"Send {PAGE_HEADER}."
        )


router = APIRouter(
    prefix=PATH,
    tags=["Tokens"],
    dependencies=[Depends(require_own_page)],
    responses=problem_responses(403, 413, 422, 503),
)


@router.post("", summary="Log in from a browser", responses=problem_responses(401, 429))
def begin_session(body: BrowserLogin, request: Request, response: Response, services: ServicesOf) -> SessionToken:
    """Exchange an email address and a password for an access token; the refresh token is set as a cookie."""
    device = request.cookies.get(DEVICE_COOKIE, "")[:200] or None
    return _begun(response, services, logins.log_in(services, body.email, body.password, device, actor_of(request)))


@router.post("/link", summary="Log in by a sign-in link", responses=problem_responses(401))
def begin_session_by_link(body: SignInLink, request: Request, response: Response, services: ServicesOf) -> SessionToken:
    """Exchange the token of a sign-in link, which is good for one use, for an access token and the cookie."""
    return _begun(response, services, logins.log_in_by_link(services, body.token, actor_of(request)))


@router.post(
    "/refresh",
    summary="Get a new access token in a browser",
    response_model=SessionToken,
    responses={204: {"description": "Nobody is logged in here, or not any more."}},
)
def refresh_session(request: Request, response: Response, services: ServicesOf) -> SessionToken | Response:
    """Exchange the cookie for a new one and an access token. A cookie that is used twice ends its login."""
    token = request.cookies.get(REFRESH_COOKIE)
    if token is None:
        return Response(status_code=204)
    try:
        pair = logins.refresh(services, token, actor_of(request))
    except ProblemError as error:
        if error.status != 401:
            raise
        return _forgotten(services)
    _set(response, services, REFRESH_COOKIE, pair.refresh, int(services.settings.refresh_token_s))
    return SessionToken(access_token=pair.access, expires_in=services.tokens.good_for_s)


@router.delete("", summary="Log out in a browser", status_code=204)
def end_session(request: Request, services: ServicesOf) -> Response:
    """End the login of the cookie, and remove the cookie. Logging out twice is no error."""
    token = request.cookies.get(REFRESH_COOKIE)
    if token is not None:
        logins.log_out(services, token, actor_of(request))
    return _forgotten(services)


def keep_login(response: Response, services: Services, made: logins.NewLogin) -> None:
    """Give a browser what keeps it signed in."""
    _set(response, services, REFRESH_COOKIE, made.tokens.refresh, int(services.settings.refresh_token_s))
    _set(response, services, DEVICE_COOKIE, made.device, _DEVICE_S)


def _begun(response: Response, services: Services, made: logins.NewLogin) -> SessionToken:
    keep_login(response, services, made)
    return SessionToken(access_token=made.tokens.access, expires_in=services.tokens.good_for_s)


def _set(response: Response, services: Services, name: str, value: str, good_for_s: int) -> None:
    secure = services.settings.url.startswith("https://")
    response.set_cookie(name, value, max_age=good_for_s, path=PATH, secure=secure, httponly=True, samesite="strict")


def _forgotten(services: Services) -> Response:
    response = Response(status_code=204)
    response.delete_cookie(
        REFRESH_COOKIE,
        path=PATH,
        secure=services.settings.url.startswith("https://"),
        httponly=True,
        samesite="strict",
    )
    return response
