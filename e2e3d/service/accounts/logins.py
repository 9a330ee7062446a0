"""Logging in and out, and the accounts themselves: what the routes do, in short transactions."""

from __future__ import annotations

import dataclasses
import datetime
import secrets

from e2e3d.service.accounts import queries as accounts
from e2e3d.service.accounts.records import Actor, Quotas, User, UserChange
from e2e3d.service.administration import audit, state
from e2e3d.service.database import Session
from e2e3d.service.database.table_base import new_id, now
from e2e3d.service.http.problems import ProblemError
from e2e3d.service.services import Services
from e2e3d.service.sign_in import queries as tokens
from e2e3d.service.sign_in.authenticate import unauthorised
from e2e3d.service.sign_in.tokens import hash_of, new_link_token, new_refresh_token

FIRST_LINK_GOOD_FOR = datetime.timedelta(hours=24)


@dataclasses.dataclass(frozen=True)
class TokenPair:
    """An access token and the refresh token that gets the next pair."""

    access: str = dataclasses.field(repr=False)
    refresh: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class NewLogin:
    """What a login gives: its tokens, and one that makes the device known, see ``auth/devices.py``."""

    tokens: TokenPair
    device: str = dataclasses.field(repr=False)


def log_in(services: Services, email: str, password: str, device_token: str | None, actor: Actor) -> NewLogin:
    """Begin a login; `device_token` is what an earlier login from the same device gave.

    Raises:
        ProblemError: ``wrong-credentials`` (401), whatever of the two is wrong; ``too-many-logins`` (429).
    """
    device = services.devices.device_of(device_token, email, now())
    attempt = services.throttle.attempt(email, actor.address, device)
    with services.database.reading() as session:
        found = accounts.login_data(session, email)
    matches = services.passwords.matches(found[1] if found else None, password)
    if found is None or not matches or not found[0].active:
        with services.database.session() as session:
            audit.record(session, actor, "login.failed", "user", found[0].id if found else None)
        raise unauthorised("wrong-credentials", "The email address or the password is wrong.", "Try again.")
    services.throttle.succeeded(attempt)
    user, password_hash = found
    rehashed = services.passwords.hash(password) if services.passwords.is_outdated(password_hash) else None
    with services.database.session() as session:
        if rehashed is not None:
            accounts.change(session, user.id, UserChange(password_hash=rehashed))
        audit.record(session, dataclasses.replace(actor, user_id=user.id), "login", "user", user.id)
        return begin_login(services, session, user)


def log_in_by_link(services: Services, token: str, actor: Actor) -> NewLogin:
    """Begin a login by a sign-in link, which nobody can use again.

    Raises:
        ProblemError: ``sign-in-link-invalid`` (401): it is not ours, was used before, or has expired.
    """
    with services.database.session() as session:
        link = state.use_first_link(session, hash_of(token))
        user = None if link is None or link.expires_at <= now() else accounts.get(session, link.user_id)
        if user is not None and user.active:
            audit.record(session, dataclasses.replace(actor, user_id=user.id), "login", "user", user.id, by="link")
            return begin_login(services, session, user)
    raise unauthorised(
        "sign-in-link-invalid", "The sign-in link was used before or has expired.", "Sign in with your password."
    )


def begin_login(services: Services, session: Session, user: User) -> NewLogin:
    """The tokens of a new login of somebody whose proof was good."""
    return NewLogin(_new_pair(services, session, user, new_id()), services.devices.new(user.email, now()))


def refresh(services: Services, refresh_token: str, actor: Actor) -> TokenPair:
    """Exchange a refresh token for a new pair.

    Raises:
        ProblemError: ``refresh-token-reused`` (the whole login has ended then) or ``refresh-token-invalid`` (401).
    """
    with services.database.session() as session:
        rotation = tokens.use_refresh(session, hash_of(refresh_token), now())
        if rotation.user is not None:
            return _new_pair(services, session, rotation.user, rotation.family)
        if rotation.reused:
            owner = dataclasses.replace(actor, user_id=rotation.owner_id)
            audit.record(session, owner, "login.refresh-token-reused", "user", rotation.owner_id)
    if rotation.reused:
        raise unauthorised(
            "refresh-token-reused", "The refresh token was used before, so its login has ended.", "Log in again."
        )
    raise unauthorised("refresh-token-invalid", "The refresh token is not valid any more.", "Log in again.")


def log_out(services: Services, refresh_token: str, actor: Actor) -> None:
    """End the login that a refresh token belongs to; a token that is not known is no error."""
    with services.database.session() as session:
        owner_id = tokens.end_login(session, hash_of(refresh_token), now())
        if owner_id is not None:
            audit.record(session, dataclasses.replace(actor, user_id=owner_id), "logout", "user", owner_id)


def change_password(services: Services, user: User, current: str, new: str, actor: Actor, login: str | None) -> None:
    """Replace a password and end the user's other logins.

    Raises:
        ProblemError: ``wrong-credentials`` (403); ``too-many-logins`` (429).
    """
    attempt = services.throttle.attempt(user.email, actor.address, f"login {login}" if login else None)
    with services.database.reading() as session:
        known = accounts.password_hash(session, user.id)
    if not services.passwords.matches(known, current):
        raise ProblemError(403, "wrong-credentials", "The current password is wrong.", "Try again.")
    services.throttle.succeeded(attempt)
    password_hash = services.passwords.hash(new)
    with services.database.session() as session:
        accounts.change(session, user.id, UserChange(password_hash=password_hash))
        tokens.revoke_logins(session, user.id, now(), except_family=login)
        audit.record(session, actor, "user.password", "user", user.id)


@dataclasses.dataclass(frozen=True)
class FirstAdmin:
    """What the operator is told once of the first administrator; `link` signs in without the password, once."""

    email: str
    password: str = dataclasses.field(repr=False)
    link: str = dataclasses.field(repr=False)


def create_first_admin(services: Services) -> FirstAdmin | None:
    """Make the first administrator where there is no account yet.

    Returns:
        what to tell the operator, or None when there are accounts or the password was set.
    """
    with services.database.reading() as session:
        if accounts.exists_any(session):
            return None
    settings = services.settings
    password = settings.admin_password or secrets.token_urlsafe(12)
    password_hash = services.passwords.hash(password)
    quotas = Quotas(settings.quota_photos, settings.quota_bytes, settings.quota_jobs)
    with services.database.session() as session:
        if accounts.exists_any(session):
            return None
        user = accounts.create(session, settings.admin_email, "Administrator", "admin", password_hash, quotas)
        audit.record(session, Actor(None, None, None), "user.create", "user", user.id, role="admin")
        if settings.admin_password:
            return None
        token = new_link_token()
        state.keep_first_link(session, token.hash, state.KeptLink(user.id, now() + FIRST_LINK_GOOD_FOR))
    # behind the # it is sent to nobody: neither a proxy nor a log sees it
    return FirstAdmin(user.email, password, f"{settings.url}/sign-in#{token.value}")


def _new_pair(services: Services, session: Session, user: User, family: str) -> TokenPair:
    at = now()
    secret = new_refresh_token()
    tokens.add_refresh(session, user.id, family, secret.hash, at, services.settings.refresh_token_s)
    return TokenPair(services.tokens.sign(user.id, family, at), secret.value)
