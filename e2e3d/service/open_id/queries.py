"""Accounts of the provider, and answers of it that were used."""

from __future__ import annotations

import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from e2e3d.service.open_id.tables import IdentityRow, UsedStateRow


def user_of(session: Session, issuer: str, subject: str) -> str | None:
    """The id of the user that an account of the provider is here."""
    mine = (IdentityRow.issuer == issuer, IdentityRow.subject == subject)
    return session.scalar(select(IdentityRow.user_id).where(*mine))


def link(session: Session, issuer: str, subject: str, user_id: str, now: datetime.datetime) -> None:
    """Remember which user an account of the provider is."""
    session.add(IdentityRow(issuer=issuer, subject=subject, user_id=user_id, created_at=now))
    session.flush()


def use_state(session: Session, state_hash: str, now: datetime.datetime, expires_at: datetime.datetime) -> bool:
    """Use a state up; False when it was used before. Those that have expired are forgotten."""
    session.execute(delete(UsedStateRow).where(UsedStateRow.expires_at < now))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    new = insert(UsedStateRow).values(state_hash=state_hash, expires_at=expires_at)
    return session.scalar(new.on_conflict_do_nothing().returning(UsedStateRow.state_hash)) is not None
