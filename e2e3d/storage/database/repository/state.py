"""Values that operators change while the service runs; every process reads them."""

from __future__ import annotations

from sqlalchemy.orm import Session

from e2e3d.storage.database.models import ServiceStateRow

_LOG_LEVEL = "log-level"


def log_level(session: Session) -> str | None:
    """The level that an administrator asked for, None when nobody did."""
    row = session.get(ServiceStateRow, _LOG_LEVEL)
    return None if row is None else str(row.value["level"])


def set_log_level(session: Session, level: str) -> None:
    """Ask all processes for a level."""
    session.merge(ServiceStateRow(name=_LOG_LEVEL, value={"level": level}))
