"""Attempts to log in, counted in the database where there is no Redis."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from e2e3d.service.accounts.tables import LoginAttemptRow


@dataclass(frozen=True)
class Refusal:
    """Which key has too many attempts, and when the oldest of them was."""

    key: str
    oldest: datetime.datetime


def admit(session: Session, limits: Mapping[str, int], now: datetime.datetime, window_s: float) -> Refusal | None:
    """Count an attempt under each key, unless one of them has reached its limit within the window.

    Attempts at the same time wait for each other, so they cannot exceed a limit together.
    """
    since = now - datetime.timedelta(seconds=window_s)
    session.execute(delete(LoginAttemptRow).where(LoginAttemptRow.at <= since))
    for key, limit in sorted(limits.items()):
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
        found = select(func.count(), func.min(LoginAttemptRow.at)).where(LoginAttemptRow.key == key)
        count, oldest = session.execute(found).one()
        if count >= limit:
            return Refusal(key, oldest)
    session.execute(insert(LoginAttemptRow), [{"key": key, "at": now} for key in limits])
    return None


def forget(session: Session, own: str, keys: Sequence[str], at: datetime.datetime) -> None:
    """After a login that succeeded, remove all attempts of the key `own`, and its own, made `at`, of all `keys`."""
    mine = LoginAttemptRow.key.in_(keys) & (LoginAttemptRow.at == at)
    session.execute(delete(LoginAttemptRow).where((LoginAttemptRow.key == own) | mine))
