"""Accounts, as administrators see them."""

from __future__ import annotations

from fastapi import APIRouter

from e2e3d.data.service.accounts import Quotas, UserChange
from e2e3d.serve.auth.dependencies import Admin, ServicesOf
from e2e3d.serve.paging import Cursor, Limit, Page, page_of, position_of
from e2e3d.serve.problems import missing, problem_responses
from e2e3d.serve.schemas.accounts import NewUser, UserEdit, UserOut
from e2e3d.serve.schemas.ids import ResourceId
from e2e3d.storage.database.models import now
from e2e3d.storage.database.repository import accounts, audit, tokens

router = APIRouter(prefix="/v1/users", tags=["Users"], responses=problem_responses(401, 403, 413, 422, 503))


@router.get("", summary="List users")
def list_users(_admin: Admin, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None) -> Page[UserOut]:
    """All accounts, the newest first."""
    with services.database.reading() as session:
        found = accounts.newest_first(session, limit + 1, position_of(cursor))
    users, next_cursor = page_of(found, limit, lambda user: (user.created_at, user.id))
    return Page(items=[UserOut.of(user) for user in users], next_cursor=next_cursor)


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
def change_user(user_id: ResourceId, body: UserEdit, admin: Admin, services: ServicesOf) -> UserOut:
    """Change an account. A disabled user's tokens and keys are refused from the next request on."""
    values = body.model_dump(exclude={"password"})
    password_hash = services.passwords.hash(body.password) if body.password is not None else None
    with services.database.session() as session:
        user = accounts.change(session, user_id, UserChange(**values, password_hash=password_hash))
        if user is None:
            raise missing("user")
        if user.disabled or password_hash is not None:
            tokens.revoke_logins(session, user_id, now())
        changed = sorted(name for name, value in body.model_dump().items() if value is not None)
        audit.record(session, admin.actor, "user.change", "user", user_id, changed=changed)
    return UserOut.of(user)
