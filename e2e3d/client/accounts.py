"""Your own account and its API keys."""

from __future__ import annotations

from collections.abc import Sequence

from e2e3d.client.exchange import exchange
from e2e3d.client.flow import Flow
from e2e3d.client.models import Account, ApiKey, Login, NewApiKey, Page
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, path


def me(session: Session) -> Flow[Account]:
    """Who calls: the account, its quotas, what it has stored, and what this sign-in or key may do."""
    return Account.model_validate((yield from exchange(session, Call("GET", path("me")))).json())


def rename_account(session: Session, name: str) -> Flow[Account]:
    """Change your name."""
    reply = yield from exchange(session, Call("PATCH", path("me"), json={"name": name}, repeatable=True))
    return Account.model_validate(reply.json())


def change_password(session: Session, current_password: str, new_password: str) -> Flow[None]:
    """Replace your password; all your other sign-ins end. Needs a sign-in, not a key.

    Raises:
        AuthenticationError: the current password is wrong, or a key calls.
        InvalidRequestError: the new password is too short or too long.
    """
    body = {"current_password": current_password, "new_password": new_password}
    yield from exchange(session, Call("PUT", path("me", "password"), json=body, repeatable=False))


def list_sessions(session: Session) -> Flow[tuple[Login, ...]]:
    """Your logins that have not ended, the one used last first."""
    return Page[Login].model_validate((yield from exchange(session, Call("GET", path("me", "sessions")))).json()).items


def end_session(session: Session, session_id: str) -> Flow[None]:
    """End one of your logins; needs a sign-in, not a key. Raises NotFoundError."""
    yield from exchange(session, Call("DELETE", path("me", "sessions", session_id)))


def list_api_keys(session: Session, limit: int | None = None, cursor: str | None = None) -> Flow[Page[ApiKey]]:
    """Your API keys, newest first, without their secret parts."""
    call = Call("GET", path("api-keys"), {"limit": limit, "cursor": cursor})
    return Page[ApiKey].model_validate((yield from exchange(session, call)).json())


def create_api_key(
    session: Session, name: str, scopes: Sequence[str] = ("read", "write"), expires_in_days: float | None = None
) -> Flow[NewApiKey]:
    """Make an API key; the answer shows it, this once. Needs a sign-in: a key may not make keys.

    Args:
        session: given by the client.
        name: what it is for.
        scopes: of ``read``, ``write``, ``admin``.
        expires_in_days: at most 3650; None = it does not expire.
    """
    body = {"name": name, "scopes": list(scopes), "expires_in_days": expires_in_days}
    return NewApiKey.model_validate((yield from exchange(session, Call("POST", path("api-keys"), json=body))).json())


def revoke_api_key(session: Session, key_id: str) -> Flow[None]:
    """Revoke one of your API keys; it is refused from the next request on."""
    yield from exchange(session, Call("DELETE", path("api-keys", key_id)))
