"""The log of a process of the service, and its level, which administrators change while it runs."""

from __future__ import annotations

import logging
import threading

from e2e3d.config.deployment import ServiceSettings
from e2e3d.errors import MachineError
from e2e3d.runtime.logs import service_logging
from e2e3d.service.administration import state
from e2e3d.service.database import Database

_PERIOD_S = 5.0


def start_log(settings: ServiceSettings, database: Database, process: str) -> None:
    """Log to standard error from now on, at the level of the settings until an administrator asks for another one.

    Args:
        settings: of the service.
        database: asked for the level every few seconds.
        process: what this process is, such as ``replica``; it stands in every line.
    """
    service_logging(settings.log_level, settings.log_json, process=process)
    threading.Thread(target=_follow, args=(database,), name="log-level", daemon=True).start()


def apply_level(database: Database) -> None:
    """Take over the level that an administrator asked for, if any; nothing changes while the database is away."""
    try:
        with database.reading() as session:
            level = state.log_level(session)
    except MachineError:
        return
    if level is not None:
        logging.getLogger("e2e3d").setLevel(level.upper())


def _follow(database: Database) -> None:
    pause = threading.Event()
    while True:
        apply_level(database)
        pause.wait(_PERIOD_S)
