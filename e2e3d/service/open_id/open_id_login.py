"""From what the provider says of somebody to a login here: a known user, one linked by address, or a new one."""

from __future__ import annotations

import dataclasses
import datetime
import secrets

from e2e3d.errors import InputError
from e2e3d.service.accounts import queries as accounts
from e2e3d.service.accounts.logins import NewLogin, begin_login
from e2e3d.service.accounts.records import ADMIN, Actor, Quotas, User, UserChange
from e2e3d.service.administration import audit
from e2e3d.service.database import Session
from e2e3d.service.database.table_base import now
from e2e3d.service.open_id import queries as identities
from e2e3d.service.open_id.provider import OpenIdProvider
from e2e3d.service.open_id.records import Attempt, Identity
from e2e3d.service.open_id.refusals import OpenIdRefused
from e2e3d.service.open_id.sign_in_attempts import GOOD_FOR
from e2e3d.service.services import Services
from e2e3d.service.sign_in.tokens import hash_of


def log_in_by_provider(
    services: Services, provider: OpenIdProvider, attempt: Attempt, code: str, actor: Actor
) -> NewLogin:
    """Begin a login with a code of the provider; the first one makes an account.

    Raises:
        OpenIdRefused: as it says.
    """
    at = now()
    with services.database.session() as session:
        if not identities.use_state(session, hash_of(attempt.state), at, at + GOOD_FOR):
            raise OpenIdRefused("oidc-state", "the answer was used before")
    identity = provider.identity_of(code, attempt)
    _check_domain(identity, services.settings.oidc_domains)
    # outside of the transaction, since hashing takes a while; nobody knows this password
    unknown = services.passwords.hash(secrets.token_urlsafe(32))
    with services.database.session() as session:
        user = _with_role(session, _user(services, session, identity, unknown, at), identity)
        if not user.active:
            raise OpenIdRefused("oidc-account", f"user {user.id} is disabled or deleted")
        audit.record(session, dataclasses.replace(actor, user_id=user.id), "login", "user", user.id, by="oidc")
        return begin_login(services, session, user)


def _check_domain(identity: Identity, domains: tuple[str, ...]) -> None:
    if domains and (identity.email or "").lower().rpartition("@")[2] not in domains:
        raise OpenIdRefused("oidc-domain", f"subject {identity.subject} has no verified address of these domains")


def _user(services: Services, session: Session, identity: Identity, password_hash: str, at: datetime.datetime) -> User:
    known = identities.user_of(session, identity.issuer, identity.subject)
    found = None if known is None else accounts.get(session, known)
    if found is not None:
        return found
    if identity.email is None:  # whoever could name any address would get the account that has it
        raise OpenIdRefused("oidc-email", f"subject {identity.subject} has no verified address")
    there = accounts.login_data(session, identity.email)
    user = there[0] if there is not None else _new_user(services, session, identity, identity.email, password_hash)
    identities.link(session, identity.issuer, identity.subject, user.id, at)
    return user


def _new_user(services: Services, session: Session, identity: Identity, email: str, password_hash: str) -> User:
    settings = services.settings
    quotas = Quotas(settings.quota_photos, settings.quota_bytes, settings.quota_jobs)
    role = ADMIN if identity.is_admin else "user"
    try:
        user = accounts.create(session, email, identity.name[:200].replace("\0", ""), role, password_hash, quotas)
    except InputError as error:  # somebody else was faster
        raise OpenIdRefused("oidc-account", error.code) from error
    audit.record(session, Actor(None, None, None), "user.create", "user", user.id, role=role, by="oidc")
    return user


def _with_role(session: Session, user: User, identity: Identity) -> User:
    """The claim gives and takes the role of administrators; the last one keeps it."""
    role = user.role if identity.is_admin is None else ADMIN if identity.is_admin else "user"
    if role == user.role:
        return user
    try:
        changed = accounts.change(session, user.id, UserChange(role=role))
    except InputError:
        return user
    audit.record(session, Actor(None, None, None), "user.change", "user", user.id, role=role, by="oidc")
    return changed or user
