"""The database of the service: connections with time limits, and short transactions on PostgreSQL and SQLite."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from e2e3d.errors import MachineError, SettingsError
from e2e3d.service.database.database_errors import translated

_Answer = TypeVar("_Answer")
_READING = "e2e3d_reading"  # option of connections that only read: how SQLite begins, empty = not at all
_PASSING = ("database-away", "database-busy")


class Database:
    """A database that is opened lazily and shared by the threads of a process; close it with :meth:`close`.

    Args:
        url: ``sqlite:///path`` or ``postgresql+psycopg2://user:password@host/name``.
        pool_size: connections that are kept open; as many again are opened when all are in use.

    Raises:
        SettingsError: ``database-url`` when the URL names no supported database.
    """

    def __init__(self, url: str, pool_size: int = 10) -> None:
        parsed = _parsed(url)
        self.place = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.engine = _sqlite(parsed, pool_size) if self.is_sqlite else _postgresql(parsed, pool_size)
        self._reading_engine = self.engine.execution_options(**{_READING: "BEGIN"})
        self._quick_engine = self.engine.execution_options(**{_READING: ""})

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction that may write: committed when the block ends, rolled back when it raises.

        On SQLite writers wait for each other when they begin, so they never fail in the middle.

        Raises:
            MachineError: ``database-away``, ``database-busy`` or ``database-full``.
        """
        with translated(self.place), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for queries only: waits for no writer, and costs no transaction on PostgreSQL.

        Raises:
            MachineError: ``database-away`` or ``database-busy``.
        """
        with translated(self.place), Session(self._reading_engine, autoflush=False) as session:
            yield session

    @contextlib.contextmanager
    def quick_reading(self) -> Iterator[Connection]:
        """As :meth:`reading` for prepared queries, without the cost of a session and of a transaction on SQLite.

        Each query sees the newest state: for what every request asks.
        """
        with translated(self.place), self._quick_engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """One transaction below the level of sessions, for migrations and benchmarks."""
        with translated(self.place), self.engine.begin() as connection:
            yield connection

    def retry(self, work: Callable[[Session], _Answer], timeout_s: float = 60.0) -> _Answer:
        """Do `work` in a transaction, again while the database is away or busy.

        Args:
            work: must be safe to repeat: a commit whose answer was lost is done again.
            timeout_s: time after which the last failure is raised.
        """
        deadline_s = time.monotonic() + timeout_s
        pause_s = 0.1
        while True:
            try:
                with self.session() as session:
                    return work(session)
            except MachineError as error:
                if error.code not in _PASSING or time.monotonic() + pause_s > deadline_s:
                    raise
            time.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, 2.0)

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        self.engine.dispose()


def _parsed(url: str) -> URL:
    hint = "Set E2E3D_DATABASE_URL to sqlite:///path or postgresql+psycopg2://user:password@host/name."
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError("database-url", "The database's URL cannot be read.", hint) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg2")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg2"):
        raise SettingsError("database-url", f"{parsed.drivername} is not a supported database.", hint)
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise SettingsError("database-url", "A database in memory cannot be shared by the service's processes.", hint)
    return parsed


def _postgresql(url: URL, pool_size: int) -> Engine:
    limits = "-c statement_timeout=30000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000"
    arguments: dict[str, Any] = {
        "connect_timeout": 5,
        "application_name": "e2e3d",
        "options": limits,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15000,
    }
    engine = create_engine(
        url,
        connect_args=arguments,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        pool_pre_ping=True,
        pool_recycle=1800,
    )
    event.listen(engine, "begin", _begin_postgresql)
    event.listen(engine, "reset", _reset_postgresql)
    return engine


def _begin_postgresql(connection: Connection) -> None:
    if _READING in connection.get_execution_options():
        connection.connection.driver_connection.autocommit = True  # type: ignore[union-attr]


def _reset_postgresql(connection: Any, _record: Any, _state: Any) -> None:
    """End autocommit without a word to the server.

    SQLAlchemy's own level AUTOCOMMIT is taken back with a statement, at a place where the failure of a server that has
    gone meanwhile reaches the caller untranslated and costs the pool a connection for good.
    """
    if connection.autocommit:
        connection.autocommit = False


def _sqlite(url: URL, pool_size: int) -> Engine:
    Path(str(url.database)).expanduser().absolute().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_engine(
        url, connect_args={"timeout": 15}, pool_size=pool_size, max_overflow=pool_size, pool_timeout=15
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says, not where the driver guesses
    for pragma in ("busy_timeout = 15000", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get(_READING, "BEGIN IMMEDIATE")
    if statement:
        connection.exec_driver_sql(statement)
