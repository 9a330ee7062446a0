"""Bring the tables of a database to the version that this package needs, or back."""

from __future__ import annotations

import logging

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from e2e3d.service.database.database_engine import Database

log = logging.getLogger(__name__)
_LOCK = 0x6532653364  # of PostgreSQL's advisory lock: processes that start together migrate one after another


def upgrade(database: Database, revision: str = "head") -> None:
    """Run the migrations up to `revision`, all in one transaction; nothing happens when they have run.

    Tables that a newer version has migrated are left as they are: migrations only add, so that processes of the version
    before go on, and start again, while a newer one takes their place.

    Raises:
        MachineError: ``database-away`` or ``database-busy``.
    """
    with database.connection() as connection:
        _lock(connection, database)
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and not known_revision(current):
            log.warning("The tables are at migration %s of a newer version, and stay as they are.", current)
            return
        command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str = "base") -> None:
    """Undo the migrations down to `revision`; ``base`` drops all tables."""
    with database.connection() as connection:
        _lock(connection, database)
        command.downgrade(_config(connection), revision)


def known_revision(revision: str) -> bool:
    """Whether this package has a migration, so that tables which are at it can be brought up to date."""
    return revision in {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def newest_revision() -> str:
    """The migration that this package needs its tables to be at."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def current_revision(database: Database) -> str | None:
    """The migration that the tables of a database are at; None when there are none.

    Raises:
        MachineError: ``database-away`` or ``database-busy``.
    """
    with database.connection() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _lock(connection: Connection, database: Database) -> None:
    if not database.is_sqlite:
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "e2e3d.service.database:migrations")
    config.attributes["connection"] = connection
    return config
