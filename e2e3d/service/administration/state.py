"""Values that operators change while the service runs; every process reads them."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from e2e3d.service.administration.tables import ServiceStateRow

_LOG_LEVEL = "log-level"
_HEARTBEAT = "heartbeat"
_LAST_BACKUP = "last-backup"


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
