"""Refresh tokens and API keys: kept as hashes, looked up together with the user they belong to."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session, aliased

from e2e3d.service.accounts.queries import USER_COLUMNS, user_record
from e2e3d.service.accounts.records import ApiKey, User
from e2e3d.service.accounts.tables import ApiKeyRow, RefreshTokenRow, UserRow
from e2e3d.service.database.table_base import new_id

_LAST_USED_STEP_S = 60
_MOST_LOGINS = 1000
# Every request runs one of these, so they are built once.
_USER = select(*USER_COLUMNS).where(
    UserRow.id == bindparam("user_id"), UserRow.disabled.is_(False), UserRow.deleted_at.is_(None)
)
_USER_OF_LOGIN = _USER.where(
    exists().where(RefreshTokenRow.family == bindparam("family"), RefreshTokenRow.revoked_at.is_(None))
)
_KEY = select(*ApiKeyRow.__table__.columns).where(
    ApiKeyRow.key_hash == bindparam("key_hash"), ApiKeyRow.revoked_at.is_(None)
)


@dataclass(frozen=True)
class Rotation:
    """What became of a refresh token: the user it is good for, or None; `reused` when it had been used before."""

    user: User | None
    family: str
    reused: bool = False
    owner_id: str | None = None


@dataclass(frozen=True)
class OpenLogin:
    """A login that has not ended: its first tokens were made at `began_at`, its newest at `renewed_at`."""

    id: str
    began_at: datetime.datetime
    renewed_at: datetime.datetime
    expires_at: datetime.datetime


def add_refresh(
    session: Session, user_id: str, family: str, token_hash: str, now: datetime.datetime, good_for_s: float
) -> None:
    """Keep a new refresh token of a family."""
    expires_at = now + datetime.timedelta(seconds=good_for_s)
    session.add(
        RefreshTokenRow(user_id=user_id, family=family, token_hash=token_hash, expires_at=expires_at, created_at=now)
    )
    session.flush()


def use_refresh(session: Session, token_hash: str, now: datetime.datetime) -> Rotation:
    """Use a refresh token up; one that was used before revokes its whole family, since two people have it then."""
    token = RefreshTokenRow
    valid = (
        token.token_hash == token_hash,
        token.used_at.is_(None),
        token.revoked_at.is_(None),
        token.expires_at > now,
    )
    used = session.execute(
        update(token).where(*valid).values(used_at=now).returning(token.user_id, token.family)
    ).first()
    if used is not None:
        user = user_record(session.get_one(UserRow, used.user_id))
        return Rotation(user if user.active else None, used.family, owner_id=user.id)
    known = session.scalar(select(token).where(token.token_hash == token_hash))
    if known is None:
        return Rotation(None, "")
    reused = known.used_at is not None
    if reused:
        revoke_family(session, known.family, now)
    return Rotation(None, known.family, reused, known.user_id)


def revoke_family(session: Session, family: str, now: datetime.datetime) -> None:
    """End a login: neither its refresh tokens nor its access tokens are good any more."""
    open_tokens = (RefreshTokenRow.family == family, RefreshTokenRow.revoked_at.is_(None))
    session.execute(update(RefreshTokenRow).where(*open_tokens).values(revoked_at=now))


def end_login(session: Session, token_hash: str, now: datetime.datetime) -> str | None:
    """Revoke the family of a refresh token, used or not; returns the id of its user, None when it is not known."""
    known = session.scalar(select(RefreshTokenRow).where(RefreshTokenRow.token_hash == token_hash))
    if known is None:
        return None
    revoke_family(session, known.family, now)
    return known.user_id


def open_logins(session: Session, user_id: str, now: datetime.datetime) -> tuple[OpenLogin, ...]:
    """The logins of a user that can still be renewed, the one used last first; a thousand at most."""
    token = RefreshTokenRow
    last = func.max(token.expires_at)
    query = (
        select(token.family, func.min(token.created_at), func.max(token.created_at), last)
        .where(token.user_id == user_id, token.revoked_at.is_(None))
        .group_by(token.family)
        .having(last > now)
        .order_by(func.max(token.created_at).desc(), token.family)
        .limit(_MOST_LOGINS)
    )
    return tuple(OpenLogin(*row) for row in session.execute(query))


def revoke_login(session: Session, user_id: str, family: str, now: datetime.datetime) -> bool:
    """End a login of a user; False when there is none with this id that has not ended."""
    mine = (RefreshTokenRow.user_id == user_id, RefreshTokenRow.family == family, RefreshTokenRow.revoked_at.is_(None))
    ended = update(RefreshTokenRow).where(*mine).values(revoked_at=now).returning(RefreshTokenRow.id)
    return len(session.scalars(ended).all()) > 0


def revoke_logins(session: Session, user_id: str, now: datetime.datetime, except_family: str | None = None) -> int:
    """End all logins of a user, but the one that asks; returns how many that were."""
    wanted = [RefreshTokenRow.user_id == user_id, RefreshTokenRow.revoked_at.is_(None)]
    if except_family is not None:
        wanted.append(RefreshTokenRow.family != except_family)
    ended = update(RefreshTokenRow).where(*wanted).values(revoked_at=now).returning(RefreshTokenRow.family)
    return len(set(session.scalars(ended)))


def forget_expired(session: Session, now: datetime.datetime) -> None:
    """Remove refresh tokens that expired, but the first one of a login that is open: it says when that began."""
    token, other = RefreshTokenRow, aliased(RefreshTokenRow)
    open_families = select(other.family).where(other.expires_at >= now)
    earlier = exists().where(other.family == token.family, other.created_at < token.created_at)
    needless = earlier | token.family.not_in(open_families)
    session.execute(delete(token).where(token.expires_at < now, needless).execution_options(synchronize_session=False))


def user_of_login(connection: Connection, user_id: str, family: str) -> User | None:
    """The user of an access token, unless disabled, deleted or logged out: one query by two indexes."""
    row = connection.execute(_USER_OF_LOGIN, {"user_id": user_id, "family": family}).first()
    return None if row is None else user_record(row)


def add_api_key(
    session: Session,
    user_id: str,
    name: str,
    prefix: str,
    key_hash: str,
    scopes: tuple[str, ...],
    now: datetime.datetime,
    expires_at: datetime.datetime | None,
) -> ApiKey:
    """Keep a new API key."""
    row = ApiKeyRow(
        id=new_id(),
        user_id=user_id,
        name=name,
        prefix=prefix,
        key_hash=key_hash,
        scopes=list(scopes),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return _key_record(row)


def count_api_keys(session: Session, user_id: str, now: datetime.datetime) -> int:
    """How many keys of a user are neither expired nor revoked; the user's row stays locked meanwhile."""
    session.scalar(select(UserRow.id).where(UserRow.id == user_id).with_for_update(key_share=True))
    good = or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > now)
    mine = (ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None), good)
    return session.scalar(select(func.count()).select_from(ApiKeyRow).where(*mine)) or 0


def user_of_api_key(connection: Connection, key_hash: str, now: datetime.datetime) -> tuple[User, ApiKey] | None:
    """The user of an API key that is neither expired nor revoked, unless disabled or deleted."""
    row = connection.execute(_KEY, {"key_hash": key_hash}).first()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        return None
    user = connection.execute(_USER, {"user_id": row.user_id}).first()
    return None if user is None else (user_record(user), _key_record(row))


def note_use(session: Session, key: ApiKey, now: datetime.datetime) -> None:
    """Remember that a key was used; ask :func:`use_is_stale` first, so that most requests write nothing."""
    session.execute(update(ApiKeyRow).where(ApiKeyRow.id == key.id).values(last_used_at=now))


def use_is_stale(key: ApiKey, now: datetime.datetime) -> bool:
    """Whether the last use of a key should be noted anew."""
    return key.last_used_at is None or (now - key.last_used_at).total_seconds() > _LAST_USED_STEP_S


def api_keys(
    session: Session, user_id: str, limit: int, before: tuple[datetime.datetime, str] | None = None
) -> tuple[ApiKey, ...]:
    """Keys of a user that are not revoked, the newest first."""
    query = select(ApiKeyRow).where(ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
    if before is not None:
        query = query.where(tuple_(ApiKeyRow.created_at, ApiKeyRow.id) < before)
    rows = session.scalars(query.order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id.desc()).limit(limit))
    return tuple(_key_record(row) for row in rows)


def revoke_api_key(session: Session, user_id: str, key_id: str, now: datetime.datetime) -> bool:
    """Revoke a key of a user; False when the user has no such key."""
    mine = (ApiKeyRow.id == key_id, ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
    done = session.execute(update(ApiKeyRow).where(*mine).values(revoked_at=now).returning(ApiKeyRow.id))
    return done.first() is not None


def revoke_api_keys(session: Session, user_id: str, now: datetime.datetime) -> int:
    """Revoke all keys of a user; returns how many."""
    mine = (ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
    return len(session.scalars(update(ApiKeyRow).where(*mine).values(revoked_at=now).returning(ApiKeyRow.id)).all())


def _key_record(row: ApiKeyRow | Row[Any]) -> ApiKey:
    return ApiKey(
        row.id, row.user_id, row.name, row.prefix, tuple(row.scopes), row.expires_at, row.last_used_at, row.created_at
    )
