"""Maintenance goes on after any error, expected or not."""

import datetime
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from e2e3d.config.deployment import ServiceSettings
from e2e3d.service.database import Database
from e2e3d.service.jobs.tables import IdempotencyKeyRow
from e2e3d.service.runner import maintenance
from e2e3d.service.runner.maintenance import MaintenanceThreads
from e2e3d.storage.opening import open_objects
from tests.command import wait_for
from tests.service.intake.conftest import Place
from tests.service.intake.test_imports import picture

THREADS = {"deliver", "import", "collect"}
TABLES = ("uploads", "webhook_deliveries", "idempotency_keys")


@pytest.fixture
def place(tmp_path: Path, _migrated: Callable[[str], str]) -> Iterator[Place]:
    shutil.copyfile(_migrated("sqlite").removeprefix("sqlite:///"), tmp_path / "e2e3d.sqlite")
    database = Database(f"sqlite:///{tmp_path / 'e2e3d.sqlite'}")
    yield Place(database, open_objects(str(tmp_path / "store")))
    database.close()


def rename_tables(database: Database, before: str, after: str) -> None:
    with database.session() as session:
        for name in TABLES:
            session.execute(text(f"ALTER TABLE {before}{name} RENAME TO {after}{name}"))


def keys(database: Database) -> int:
    with database.reading() as session:
        return session.query(IdempotencyKeyRow).count()


def test_every_thread_survives_what_nobody_expects(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for period in ("_LOOK_S", "_COLLECT_S", "_IMPORTS_S", "_FIRST_COLLECTION_S"):
        monkeypatch.setattr(maintenance, period, 0.1)
    upload = place.arrived("a.jpg", picture(1))
    old = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=30)
    with place.database.session() as session:
        session.add(IdempotencyKeyRow(user_id=place.user_id, key="k", request_hash="h", created_at=old))
    settings = ServiceSettings(home=tmp_path, store=str(tmp_path / "store"), secret_key="k" * 40)
    rename_tables(place.database, "", "lost_")
    threads = MaintenanceThreads(settings, place.database)
    before = set(threading.enumerate())
    threads.start()
    started = set(threading.enumerate()) - before
    try:
        wait_for(lambda: failures(caplog) == THREADS, 60)
        rename_tables(place.database, "lost_", "")
        wait_for(lambda: place.upload(upload).state == "done", 60)
        wait_for(lambda: keys(place.database) == 0, 60)
        assert all(thread.is_alive() for thread in started)
    finally:
        threads.stop()
        for thread in started:
            thread.join(30)


def failures(caplog: pytest.LogCaptureFixture) -> set[str]:
    """Names of the threads that have logged an error with its traceback."""
    return {record.threadName or "" for record in caplog.records if record.levelno == logging.ERROR and record.exc_info}
