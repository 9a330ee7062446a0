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
from e2e3d.service.accounts.tables import RefreshTokenRow
from e2e3d.service.database import Database
from e2e3d.service.database.table_base import new_id
from e2e3d.service.jobs.tables import IdempotencyKeyRow
from e2e3d.service.runner import maintenance
from e2e3d.service.runner.maintenance import MaintenanceThreads
from e2e3d.service.sign_in import queries as logins
from e2e3d.service.webhooks.tables import WebhookDeliveryRow
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


def old_rows(database: Database) -> int:
    with database.reading() as session:
        return sum(session.query(kind).count() for kind in (IdempotencyKeyRow, RefreshTokenRow, WebhookDeliveryRow))


def token(place: Place, family: str, made_days_ago: int, good_for_days: int = 30) -> RefreshTokenRow:
    made = place.now() - datetime.timedelta(days=made_days_ago)
    return RefreshTokenRow(
        user_id=place.user_id,
        family=family,
        token_hash=new_id(),
        created_at=made,
        expires_at=made + datetime.timedelta(days=good_for_days),
    )


def test_expired_tokens_go_and_an_open_login_still_says_when_it_began(place: Place) -> None:
    open_login, ended = new_id(), new_id()
    with place.database.session() as session:
        session.add_all([token(place, open_login, age) for age in (90, 60, 31, 10, 0)])
        session.add_all([token(place, ended, age) for age in (90, 31)])
    with place.database.session() as session:
        began = [login.began_at for login in logins.open_logins(session, place.user_id, place.now())]
        logins.forget_expired(session, place.now())
    with place.database.reading() as session:
        ages = [(place.now() - row.created_at).days for row in session.query(RefreshTokenRow)]
        assert sorted(ages) == [0, 10, 90]
        assert [login.began_at for login in logins.open_logins(session, place.user_id, place.now())] == began
        assert [login.id for login in logins.open_logins(session, place.user_id, place.now())] == [open_login]


def test_every_thread_survives_what_nobody_expects(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for period in ("_LOOK_S", "_COLLECT_S", "_IMPORTS_S", "_FIRST_COLLECTION_S"):
        monkeypatch.setattr(maintenance, period, 0.1)
    upload = place.arrived("a.jpg", picture(1))
    old = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=30)
    with place.database.session() as session:
        session.add(IdempotencyKeyRow(user_id=place.user_id, key="k", request_hash="h", created_at=old))
        session.add(token(place, new_id(), made_days_ago=31))
        sent = {"event_type": "job.failed", "url": "https://example.org", "state": "delivered", "created_at": old}
        session.add(WebhookDeliveryRow(user_id=place.user_id, **sent))
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
        wait_for(lambda: old_rows(place.database) == 0, 60)
        assert all(thread.is_alive() for thread in started)
    finally:
        threads.stop()
        for thread in started:
            thread.join(30)


def failures(caplog: pytest.LogCaptureFixture) -> set[str]:
    """Names of the threads that have logged an error with its traceback."""
    return {record.threadName or "" for record in caplog.records if record.levelno == logging.ERROR and record.exc_info}
