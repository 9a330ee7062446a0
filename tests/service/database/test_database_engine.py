import concurrent.futures
import datetime
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from e2e3d.errors import InputError, MachineError, SettingsError
from e2e3d.service.accounts.tables import LoginAttemptRow
from e2e3d.service.database import Database, Session, upgrade
from e2e3d.service.jobs.tables import JobLogRow
from tests.servers import PostgresServer, free_port

MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def _count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count(LoginAttemptRow.id))) or 0


def test_a_block_that_raises_leaves_nothing_behind(database: Database) -> None:
    def work() -> None:
        with database.session() as session:
            session.add(LoginAttemptRow(key="a"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert _count(database) == 0


def test_moments_come_back_in_utc(database: Database) -> None:
    east = MOMENT.astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    with database.session() as session:
        session.add(LoginAttemptRow(key="a", at=east))
    with database.reading() as session:
        found = session.scalars(select(LoginAttemptRow.at)).one()
    assert (found, found.tzinfo) == (MOMENT, datetime.UTC)


def test_a_moment_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(Exception, match="no time zone"), database.session() as session:
        session.add(LoginAttemptRow(key="a", at=MOMENT.replace(tzinfo=None)))


@pytest.mark.parametrize("key", ["lone \udcff surrogate", "nul \0 character"])
def test_text_that_cannot_be_kept_is_the_users_mistake(database: Database, key: str) -> None:
    if database.is_sqlite and "\0" in key:
        return  # SQLite keeps it
    with pytest.raises(InputError) as caught, database.session() as session:
        session.add(LoginAttemptRow(key=key))
    assert caught.value.code == "value-unusable"


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError), database.session() as session:
        session.add(JobLogRow(job_id="nobody", level="info", message="x"))


def test_writers_wait_for_each_other_and_lose_nothing(database: Database) -> None:
    """Each reads, waits, and writes what it read: without a lock from the beginning SQLite refuses some."""

    def work(_number: int) -> None:
        for _ in range(5):
            with database.session() as session:
                if not database.is_sqlite:
                    session.execute(text("LOCK TABLE login_attempts IN EXCLUSIVE MODE"))
                count = session.scalar(select(func.count(LoginAttemptRow.id)))
                time.sleep(0.002)
                session.add(LoginAttemptRow(key=str(count)))

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    with database.reading() as session:
        keys = set(session.scalars(select(LoginAttemptRow.key)))
    assert keys == {str(number) for number in range(30)}


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    with database.session() as session:
        session.add(LoginAttemptRow(key="a"))
        session.flush()
        begun_s = time.monotonic()
        assert _count(database) == 0
        assert time.monotonic() - begun_s < 5


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Database(url)
    assert caught.value.code == "database-url"


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    database = Database(f"postgresql://me:geheim@127.0.0.1:{free_port()}/none")
    with pytest.raises(MachineError) as caught, database.connection():
        pass
    assert caught.value.code == "database-away"
    assert "geheim" not in str(caught.value)


def test_a_locked_sqlite_is_busy(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite'}")
    upgrade(database)
    with database.session() as blocking:
        blocking.add(LoginAttemptRow(key="a"))
        blocking.flush()

        def write_too() -> None:
            with database.reading() as session:
                session.connection().exec_driver_sql("PRAGMA busy_timeout = 50")
                session.add(LoginAttemptRow(key="b"))
                session.flush()

        with pytest.raises(MachineError) as caught:
            write_too()
    assert caught.value.code == "database-busy"
    database.close()


@pytest.mark.slow
def test_a_restart_is_survived(postgres: PostgresServer) -> None:
    """Connections of the pool that a restart broke are replaced, and a transaction that it met is done again."""
    url = postgres.new_database()
    database = Database(url)
    upgrade(database)
    assert _count(database) == 0
    postgres.restart()
    assert _count(database) == 0

    attempts = 0

    def work(session: Session) -> None:
        nonlocal attempts
        attempts += 1
        session.add(LoginAttemptRow(key=str(attempts)))
        session.flush()
        if attempts == 1:
            postgres.kill()
            threading.Timer(1.0, postgres.start).start()

    database.retry(work, timeout_s=60)
    assert attempts >= 2
    assert _count(database) == 1
    database.close()
    postgres.drop_database(url)


@pytest.mark.slow
def test_a_crash_while_readers_hold_answers_costs_the_pool_nothing(postgres: PostgresServer) -> None:
    """Each reader has its answer when the server dies: its block ends silently, and its connection is replaced."""
    database = Database(postgres.new_database(), pool_size=1)
    upgrade(database)

    def read_twice(meanwhile: Callable[[], None] = lambda: None) -> None:
        with database.reading() as session, database.quick_reading() as connection:
            assert session.scalar(select(1)) == connection.scalar(select(1)) == 1
            meanwhile()

    for _ in range(2):  # as many readers together as the pool may have connections
        read_twice()
        try:
            read_twice(postgres.kill)
        finally:
            postgres.start()
    read_twice()
    database.close()
    postgres.drop_database(database.engine.url.render_as_string())


@pytest.mark.slow
def test_readers_hold_no_transaction_on_postgresql(postgres: PostgresServer) -> None:
    database = Database(postgres.new_database(), pool_size=2)
    state = text("SELECT state FROM pg_stat_activity WHERE pid = :pid")
    for _ in range(2):  # the second time with connections that were used the other way round
        with database.session() as writing, database.reading() as session:
            pids = [each.scalar(text("SELECT pg_backend_pid()")) for each in (session, writing)]
            with database.quick_reading() as watcher:
                states = [watcher.scalar(state, {"pid": pid}) for pid in pids]
        assert states == ["idle", "idle in transaction"]
    database.close()
    postgres.drop_database(database.engine.url.render_as_string())
