"""Users: made, found, listed, changed and deleted."""

from __future__ import annotations

import datetime
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from e2e3d.errors import InputError
from e2e3d.service.accounts.records import Quotas, User, UserChange
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.database.table_base import new_id, now

USER_COLUMNS = tuple(column for column in UserRow.__table__.columns if column.name != "password_hash")


def create(session: Session, email: str, name: str, role: str, password_hash: str, quotas: Quotas) -> User:
    """Make an account.

    Raises:
        InputError: ``email-taken`` when another account has the address.
    """
    values = {
        "id": new_id(),
        "email": normal_email(email),
        "name": name,
        "role": role,
        "password_hash": password_hash,
        "disabled": False,
        "quota_photos": quotas.photos,
        "quota_bytes": quotas.bytes,
        "quota_jobs": quotas.jobs,
        "stored_bytes": 0,
        "start_tag": 0.0,
        "finish_tag": 0.0,
        "created_at": now(),
    }
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(UserRow).values(values).on_conflict_do_nothing(index_elements=["email"]).returning(UserRow)
    row = session.scalars(statement).one_or_none()
    if row is None:
        raise InputError(
            "email-taken",
            f"There is an account for {normal_email(email)} already.",
            "Use another address; if that account was deleted, restore it.",
        )
    return user_record(row)


def exists_any(session: Session) -> bool:
    """Whether there is an account at all."""
    return session.scalar(select(UserRow.id).limit(1)) is not None


def get(session: Session, user_id: str) -> User | None:
    """The account with this id."""
    row = session.get(UserRow, user_id)
    return None if row is None else user_record(row)


def login_data(session: Session, email: str) -> tuple[User, str] | None:
    """The account with this address, and the hash of its password."""
    row = session.scalar(select(UserRow).where(UserRow.email == normal_email(email)))
    return None if row is None else (user_record(row), row.password_hash)


def password_hash(session: Session, user_id: str) -> str:
    """The hash of a user's password."""
    return session.scalars(select(UserRow.password_hash).where(UserRow.id == user_id)).one()


def newest_first(session: Session, limit: int, before: tuple[datetime.datetime, str] | None = None) -> tuple[User, ...]:
    """Accounts, the newest first; `before` is (created_at, id) of the last one that the caller has."""
    query = select(UserRow).order_by(UserRow.created_at.desc(), UserRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(UserRow.created_at, UserRow.id) < before)
    return tuple(user_record(row) for row in session.scalars(query))


def change(session: Session, user_id: str, changes: UserChange) -> User | None:
    """Change an account.

    Raises:
        InputError: ``last-admin`` when no enabled administrator would be left.
    """
    values = {name: value for name, value in asdict(changes).items() if value is not None}
    if values:
        if changes.role not in (None, "admin") or changes.disabled:
            _keep_an_admin(session, user_id)
        session.execute(update(UserRow).where(UserRow.id == user_id).values(values))
    row = session.get(UserRow, user_id, populate_existing=True)
    return None if row is None else user_record(row)


def delete(session: Session, user_id: str, now: datetime.datetime, purge_at: datetime.datetime) -> User | None:
    """Mark an account as deleted, to be removed at `purge_at`; one that is marked already is returned as it is.

    Raises:
        InputError: ``last-admin`` when no enabled administrator would be left.
    """
    row = session.get(UserRow, user_id)
    if row is not None and row.deleted_at is None:
        _keep_an_admin(session, user_id)  # locks the administrators, so that two cannot delete each other
        row.deleted_at, row.purge_at = now, purge_at
        session.flush()
    return None if row is None else user_record(row)


def restore(session: Session, user_id: str, now: datetime.datetime) -> User | None:
    """Take the mark of an account back; None when there is no such account, or its removal may have begun."""
    row = session.scalars(select(UserRow).where(UserRow.id == user_id).with_for_update()).one_or_none()
    if row is None or (row.purge_at is not None and row.purge_at <= now):
        return None
    row.deleted_at = row.purge_at = None
    session.flush()
    return user_record(row)


def _keep_an_admin(session: Session, user_id: str) -> None:
    able = (UserRow.role == "admin", UserRow.disabled.is_(False), UserRow.deleted_at.is_(None))
    left = set(session.scalars(select(UserRow.id).where(*able).with_for_update())) - {user_id}
    if not left and session.scalar(select(func.count()).where(UserRow.id == user_id, UserRow.role == "admin")):
        raise InputError(
            "last-admin", "This is the last administrator who can log in.", "Make another user an administrator first."
        )


def normal_email(email: str) -> str:
    """The form in which addresses are kept and compared."""
    return email.strip().lower()


def user_record(row: UserRow | Row[Any]) -> User:
    """The record of a row, for this package."""
    return User(
        row.id,
        row.email,
        row.name,
        row.role,
        row.disabled,
        Quotas(row.quota_photos, row.quota_bytes, row.quota_jobs),
        row.stored_bytes,
        row.created_at,
        row.deleted_at,
        row.purge_at,
    )
