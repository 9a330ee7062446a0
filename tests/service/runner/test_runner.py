"""The runner with real drivers that are killed or stopped as soon as they are there."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from e2e3d.config.deployment import ServiceSettings
from e2e3d.service.database import Database
from e2e3d.service.database.table_base import now
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.records import JobRecord, NewJob
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.runner import runner as running
from e2e3d.service.runner.runner import Runner
from tests.command import wait_for
from tests.servers import free_port
from tests.service.jobs.test_queries import add_job, add_user

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only"),
]
PARTING = "The process of the job was killed by signal 9"


@pytest.fixture
def database(tmp_path: Path, _migrated: Callable[[str], str]) -> Iterator[Database]:
    path = tmp_path / "database.sqlite"
    shutil.copyfile(_migrated("sqlite").removeprefix("sqlite:///"), path)
    opened = Database(f"sqlite:///{path}")
    yield opened
    opened.close()


@contextlib.contextmanager
def runner(database: Database, home: Path, address: str | None) -> Iterator[None]:
    settings = ServiceSettings(home=home, database_url=f"sqlite:///{home / 'database.sqlite'}", secret_key="k" * 40)
    made = Runner(settings, database, address)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"HOME": home, "DATABASE_URL": settings.database_url, "SECRET_KEY": "k" * 40}.items():
            patch.setenv(f"E2E3D_{name}", str(value))
        thread = threading.Thread(target=made.run)
        thread.start()
        try:
            yield
        finally:
            made.stop()
            thread.join(30)
            assert not thread.is_alive()


def driver_of(database: Database, job: JobRecord) -> psutil.Process:
    def drivers() -> list[psutil.Process]:
        found = []
        for process in psutil.Process(os.getpid()).children():
            with contextlib.suppress(psutil.ZombieProcess):  # of an earlier test
                if job.id in " ".join(process.cmdline()):
                    found.append(process)
        return found

    wait_for(drivers, 90)
    return drivers()[0]


def state(database: Database, job: JobRecord) -> JobRecord:
    with database.reading() as session:
        found = jobs.by_id(session, job.id)
    assert found is not None
    return found


def log_of(database: Database, job: JobRecord) -> list[str]:
    with database.reading() as session:
        return [line.message for line in jobs.log_lines(session, job.id, 100)]


def test_a_driver_that_dies_alone_has_failed(database: Database, tmp_path: Path) -> None:
    job = add_job(database, add_user(database))
    with runner(database, tmp_path, None):
        driver_of(database, job).kill()
        wait_for(lambda: state(database, job).attempt == 2, 90)
        assert state(database, job).interruptions == 0
        assert f"{PARTING}." in log_of(database, job)


def test_the_log_of_a_job_gets_no_line_without_its_lease(database: Database, tmp_path: Path) -> None:
    job = add_job(database, add_user(database))
    with runner(database, tmp_path, None):
        driver = driver_of(database, job)
        with database.session() as session:
            row = session.get_one(JobRow, job.id)
            row.lease_owner, row.lease_until = "another", now() + datetime.timedelta(hours=1)
        driver.kill()
        wait_for(lambda: not list((tmp_path / "work").iterdir()), 90)  # the runner has seen it
    assert not any(PARTING in line for line in log_of(database, job))
    assert state(database, job).lease_owner == "another"


def test_a_driver_that_dies_with_its_cluster_was_interrupted(database: Database, tmp_path: Path) -> None:
    job = add_job(database, add_user(database))
    with runner(database, tmp_path, f"127.0.0.1:{free_port()}"):
        driver_of(database, job).kill()
        wait_for(lambda: state(database, job).interruptions == 1, 90)
        assert f"{PARTING}: its Ray cluster or the database is away." in log_of(database, job)
        wait_for(lambda: state(database, job).state == "running", 90)
        assert state(database, job).attempt == 1


def test_a_driver_that_is_stopped_loses_its_job(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_SILENT_S", 3.0)
    job = add_job(database, add_user(database))
    with runner(database, tmp_path, None):
        driver = driver_of(database, job)
        driver.suspend()
        wait_for(lambda: state(database, job).interruptions == 1, 90)
        assert not driver.is_running()
        assert "The process of the job gave no sign of life for 3 s and was killed." in log_of(database, job)
        wait_for(lambda: state(database, job).state == "running", 90)
        assert state(database, job).attempt == 1


def test_a_job_waits_for_a_cluster_that_is_away(database: Database, tmp_path: Path) -> None:
    user = add_user(database)
    with database.session() as session:
        job = jobs.create(session, NewJob(user, None, "medium"), (), now())
    with runner(database, tmp_path, f"127.0.0.1:{free_port()}"):
        wait_for(lambda: any("The job goes on in 1 s" in line for line in log_of(database, job)), 120)
        found = state(database, job)
        assert (found.state, found.attempt, found.interruptions) == ("running", 1, 0)
