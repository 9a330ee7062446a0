"""A user's own account."""

from __future__ import annotations

from fastapi import APIRouter, Response

from e2e3d.service.accounts import logins
from e2e3d.service.accounts import queries as users
from e2e3d.service.accounts.records import SCOPES, User, UserChange
from e2e3d.service.accounts.wire import Me, MyChange, PasswordChange
from e2e3d.service.administration import audit
from e2e3d.service.database.table_base import now
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.problems import ProblemError, missing, problem_responses
from e2e3d.service.http.wire import Page
from e2e3d.service.sign_in import queries as tokens
from e2e3d.service.sign_in.caller import Caller
from e2e3d.service.sign_in.dependencies import Reader, ServicesOf, Writer
from e2e3d.service.sign_in.wire import LoginOut

router = APIRouter(prefix="/v1/me", tags=["Your account"], responses=problem_responses(401, 403, 413, 422, 503))


@router.get("", summary="Your account")
def get_me(caller: Reader) -> Me:
    """Your account, your quotas, what you have stored, and what this token may do."""
    return _me(caller, caller.user)


@router.patch("", summary="Change your account")
def change_me(body: MyChange, caller: Writer, services: ServicesOf) -> Me:
    """Change your name."""
    with services.database.session() as session:
        user = users.change(session, caller.id, UserChange(name=body.name))
        audit.record(session, caller.actor, "user.change", "user", caller.id, name=body.name)
    return _me(caller, user or caller.user)


@router.put("/password", summary="Change your password", status_code=204, responses=problem_responses(429))
def change_password(body: PasswordChange, caller: Writer, services: ServicesOf) -> Response:
    """Replace your password; all your other logins end. Needs a login: an API key may not do this."""
    require_login(caller)
    logins.change_password(services, caller.user, body.current_password, body.new_password, caller.actor, caller.login)
    return Response(status_code=204)


@router.get("/sessions", summary="List your logins")
def list_logins(caller: Reader, services: ServicesOf) -> Page[LoginOut]:
    """Where you are logged in, the login used last first. API keys are no logins, and stand in a list of their own."""
    with services.database.reading() as session:
        found = tokens.open_logins(session, caller.id, now())
        places = audit.addresses_of_logins(session, caller.id, [each.began_at for each in found])
    items = (
        LoginOut.from_record(each, current=each.id == caller.login, address=places.get(each.began_at)) for each in found
    )
    return Page(items=tuple(items), next_cursor=None)


@router.delete("/sessions/{session_id}", summary="End a login", status_code=204, responses=problem_responses(404))
def end_one_login(session_id: ResourceId, caller: Writer, services: ServicesOf) -> Response:
    """End a login of yours; its tokens are refused from the next request on. Needs a login: an API key may not."""
    require_login(caller)
    with services.database.session() as session:
        if not tokens.revoke_login(session, caller.id, session_id, now()):
            raise missing("login")
        audit.record(session, caller.actor, "login.end", "user", caller.id)
    return Response(status_code=204)


def require_login(caller: Caller) -> None:
    """Refuse API keys, where a stolen one must not be enough. Raises ProblemError ``login-only`` (403)."""
    if caller.login is None:
        raise ProblemError(403, "login-only", "An API key may not do this.", "Log in with your password.")


def _me(caller: Caller, user: User) -> Me:
    return Me.from_record(user, scopes=[scope for scope in SCOPES if scope in caller.scopes])
