"""Accounts, as administrators see them."""

from __future__ import annotations

import datetime

from fastapi import APIRouter, Response

from e2e3d.service.accounts import queries as accounts
from e2e3d.service.accounts.records import Quotas, UserChange
from e2e3d.service.accounts.wire import ChangedUser, NewUser, UserEdit, UserOut
from e2e3d.service.administration import audit
from e2e3d.service.database.table_base import now
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.paging import Cursor, Limit, page_of, position_of
from e2e3d.service.http.problems import missing, problem_responses
from e2e3d.service.http.wire import Page
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.sign_in import queries as tokens
from e2e3d.service.sign_in.dependencies import Admin, ServicesOf
from e2e3d.service.sign_in.wire import ApiKeyOut

router = APIRouter(prefix="/v1/users", tags=["Users"], responses=problem_responses(401, 403, 413, 422, 503))


@router.get("", summary="List users")
def list_users(_admin: Admin, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None) -> Page[UserOut]:
    """All accounts, the newest first."""
    with services.database.reading() as session:
        found = accounts.newest_first(session, limit + 1, position_of(cursor))
    users, next_cursor = page_of(found, limit, lambda user: (user.created_at, user.id))
    return Page(items=tuple(UserOut.of(user) for user in users), next_cursor=next_cursor)


@router.post("", summary="Make a user", status_code=201, responses=problem_responses(409))
def create_user(body: NewUser, admin: Admin, services: ServicesOf) -> UserOut:
    """Make an account; give its password to its owner, who should change it."""
    password_hash = services.passwords.hash(body.password)
    settings = services.settings
    quotas = Quotas(
        settings.quota_photos if body.quota_photos is None else body.quota_photos,
        settings.quota_bytes if body.quota_bytes is None else body.quota_bytes,
        settings.quota_jobs if body.quota_jobs is None else body.quota_jobs,
    )
    with services.database.session() as session:
        user = accounts.create(session, body.email, body.name, body.role, password_hash, quotas)
        audit.record(session, admin.actor, "user.create", "user", user.id, role=user.role)
    return UserOut.of(user)


@router.get("/{user_id}", summary="Get a user", responses=problem_responses(404))
def get_user(user_id: ResourceId, _admin: Admin, services: ServicesOf) -> UserOut:
    """One account."""
    with services.database.reading() as session:
        user = accounts.get(session, user_id)
    if user is None:
        raise missing("user")
    return UserOut.of(user)


@router.patch("/{user_id}", summary="Change a user", responses=problem_responses(404, 409))
def change_user(user_id: ResourceId, body: UserEdit, admin: Admin, services: ServicesOf) -> ChangedUser:
    """Change an account. A disabled user's tokens and keys are refused from the next request on.

    A new password ends the user's logins and revokes the user's API keys: whoever had the old one may have made them.
    """
    values = body.model_dump(exclude={"password", "keep_api_keys"})
    password_hash = services.passwords.hash(body.password) if body.password is not None else None
    logins = keys = 0
    with services.database.session() as session:
        user = accounts.change(session, user_id, UserChange(**values, password_hash=password_hash))
        if user is None:
            raise missing("user")
        if user.disabled or password_hash is not None:
            logins = tokens.revoke_logins(session, user_id, now())
        if password_hash is not None and not body.keep_api_keys:
            keys = tokens.revoke_api_keys(session, user_id, now())
        changed = sorted(name for name, value in body.model_dump(exclude_defaults=True).items() if value is not None)
        ended = {"revoked_logins": logins, "revoked_api_keys": keys}
        audit.record(session, admin.actor, "user.change", "user", user_id, changed=changed, **ended)
    return ChangedUser.from_record(user, **ended)


@router.delete("/{user_id}", summary="Delete a user", responses=problem_responses(404, 409))
def delete_user(user_id: ResourceId, admin: Admin, services: ServicesOf) -> UserOut:
    """Delete an account: it is out at once, and its jobs are cancelled.

    At `purge_at` it goes with its image sets, jobs, results, webhooks and keys; until then it can be restored.
    """
    at = now()
    purge_at = at + datetime.timedelta(days=services.settings.retention_days_users)
    with services.database.session() as session:
        user = accounts.delete(session, user_id, at, purge_at)
        if user is None:
            raise missing("user")
        tokens.revoke_logins(session, user_id, at)
        audit.record(session, admin.actor, "user.delete", "user", user_id)
        jobs.cancel_all(session, user_id, at)
    services.notifier.notify(user_id)
    return UserOut.of(user)


@router.post("/{user_id}/restore", summary="Restore a deleted user", responses=problem_responses(404))
def restore_user(user_id: ResourceId, admin: Admin, services: ServicesOf) -> UserOut:
    """Take the deletion of an account back, before `purge_at`. Its API keys work again; cancelled jobs stay so."""
    with services.database.session() as session:
        user = accounts.restore(session, user_id, now())
        if user is None:
            raise missing("user")
        audit.record(session, admin.actor, "user.restore", "user", user_id)
    return UserOut.of(user)


@router.get("/{user_id}/api-keys", summary="List the API keys of a user", responses=problem_responses(404))
def list_keys_of_user(
    user_id: ResourceId, _admin: Admin, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None
) -> Page[ApiKeyOut]:
    """The keys of a user that are not revoked, the newest first, without their secret parts."""
    with services.database.reading() as session:
        if accounts.get(session, user_id) is None:
            raise missing("user")
        found = tokens.api_keys(session, user_id, limit + 1, position_of(cursor))
    keys, next_cursor = page_of(found, limit, lambda key: (key.created_at, key.id))
    return Page(items=tuple(ApiKeyOut.of(key) for key in keys), next_cursor=next_cursor)


@router.delete(
    "/{user_id}/api-keys/{key_id}",
    summary="Revoke an API key of a user",
    status_code=204,
    responses=problem_responses(404),
)
def revoke_key_of_user(user_id: ResourceId, key_id: ResourceId, admin: Admin, services: ServicesOf) -> Response:
    """Revoke a key of a user; it is refused from the next request on."""
    with services.database.session() as session:
        if not tokens.revoke_api_key(session, user_id, key_id, now()):
            raise missing("API key")
        audit.record(session, admin.actor, "api-key.revoke", "api-key", key_id, user_id=user_id)
    return Response(status_code=204)
