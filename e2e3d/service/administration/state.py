"""Values that operators change while the service runs; every process reads them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from e2e3d.service.administration.tables import ServiceStateRow

_LOG_LEVEL = "log-level"
_HEARTBEAT = "heartbeat"
_LAST_BACKUP = "last-backup"
_FIRST_LINK = "first-sign-in-link"


@dataclass(frozen=True)
class KeptLink:
    """Whom a sign-in link lets in, and until when."""

    user_id: str
    expires_at: datetime.datetime


def beat(session: Session, now: datetime.datetime) -> None:
    """Write a moment down, to see that the database can be written."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    value = {"value": {"at": now.isoformat()}, "updated_at": now}
    new = dialect.insert(ServiceStateRow).values(name=_HEARTBEAT, **value)
    session.execute(new.on_conflict_do_update(index_elements=["name"], set_=value))


def log_level(session: Session) -> str | None:
    """The level that an administrator asked for, None when nobody did."""
    row = session.get(ServiceStateRow, _LOG_LEVEL)
    return None if row is None else str(row.value["level"])


def set_log_level(session: Session, level: str) -> None:
    """Ask all processes for a level."""
    session.merge(ServiceStateRow(name=_LOG_LEVEL, value={"level": level}))


def record_backup(session: Session, what: str, value: dict[str, Any]) -> None:
    """Write down that a backup was ``made`` or ``verified``; `value` has the moment that it restores as ``at``."""
    session.merge(ServiceStateRow(name=f"{_LAST_BACKUP}-{what}", value=value))


def last_backups(session: Session) -> dict[str, datetime.datetime]:
    """The moment that the newest backup restores, as ``made``, and of the newest that was ``verified``, if any."""
    names = {f"{_LAST_BACKUP}-{what}": what for what in ("made", "verified")}
    rows = session.scalars(select(ServiceStateRow).where(ServiceStateRow.name.in_(names)))
    return {names[row.name]: datetime.datetime.fromisoformat(row.value["at"]) for row in rows}


def keep_first_link(session: Session, token_hash: str, link: KeptLink) -> None:
    """Keep the sign-in link of the first administrator, by the hash of its token."""
    value = {"hash": token_hash, "user_id": link.user_id, "expires_at": link.expires_at.isoformat()}
    session.merge(ServiceStateRow(name=_FIRST_LINK, value=value))


def use_first_link(session: Session, token_hash: str) -> KeptLink | None:
    """Use the sign-in link of the first administrator up; None for another token, or where it was used before."""
    row = session.get(ServiceStateRow, _FIRST_LINK, with_for_update=True)
    if row is None or row.value["hash"] != token_hash:
        return None
    session.delete(row)
    return KeptLink(row.value["user_id"], datetime.datetime.fromisoformat(row.value["expires_at"]))
