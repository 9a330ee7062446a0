"""What a driver writes: only while it holds its lease, and whatever it meets."""

import datetime
from pathlib import Path

import pytest

from e2e3d.data.stats import StageStats
from e2e3d.pipeline.progress import ProgressReport
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.database import Database
from e2e3d.service.database.table_base import now
from e2e3d.service.jobs import leases
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.records import Fence, NewJob
from e2e3d.service.results import queries as results
from e2e3d.service.retention import queries as retention
from e2e3d.service.runner.journal import Journal
from e2e3d.service.runner.publisher import Publisher
from e2e3d.storage.opening import open_objects
from tests.command import wait_for

STATS = StageStats("depth", 4, 0, 8.0, 12.0, 5)


@pytest.fixture
def job_id(database: Database) -> str:
    with database.session() as session:
        user = UserRow(email="one@here", password_hash="x", quota_photos=1, quota_bytes=1, quota_jobs=1)
        session.add(user)
        session.flush()
        return jobs.create(session, NewJob(user.id, None, "medium"), (("a.jpg", "a" * 64),), now()).id


def claimed(database: Database, owner: str, at: datetime.datetime | None = None) -> Fence:
    with database.session() as session:
        job = leases.claim(session, owner, at or now(), 30.0)
    assert job is not None
    return Fence(job.id, owner, job.attempt)


def taken_over(database: Database) -> tuple[Fence, Fence]:
    """The lease of a driver that was away for too long, and that of its successor."""
    first = claimed(database, "one", now() - datetime.timedelta(hours=1))
    with database.session() as session:
        assert leases.reclaim(session, now(), datetime.timedelta(days=1)) is not None
    return first, claimed(database, "two")


def log_of(database: Database, job_id: str) -> list[str]:
    with database.reading() as session:
        return [line.message for line in jobs.log_lines(session, job_id, 100)]


def test_a_driver_without_its_lease_writes_nothing_and_learns_it(database: Database, job_id: str) -> None:
    first, _ = taken_over(database)
    lost: list[bool] = []
    journal = Journal(database, first, lambda: lost.append(True))
    journal.log("info", "from the past")
    journal.report(ProgressReport("finished", "depth", 4, 4, 0, 0.5, None, 8.0, STATS))
    wait_for(lambda: bool(lost))
    journal.uses(["depth/x"])
    journal.close()
    assert len(lost) >= 2
    assert log_of(database, job_id) == []
    with database.reading() as session:
        assert jobs.stages(session, job_id) == ()
        assert retention.used_artifacts(session, ["depth/x"], now()) == set()


def test_the_journal_survives_what_cannot_be_written(
    database: Database, job_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    fence = claimed(database, "one")
    journal = Journal(database, fence, lambda: None)
    journal.stage("\udcff", 0, 1)
    wait_for(lambda: "could not be written" in caplog.text)
    journal.log("info", "a name \udcff\0 of a strange file")
    journal.stage("mesh", 1, 2)
    journal.close()
    assert log_of(database, job_id) == ["a name ?? of a strange file"]
    with database.reading() as session:
        job = jobs.by_id(session, job_id)
    assert job is not None
    assert (job.stage, job.units_done) == ("mesh", 1)


def test_the_journal_survives_followers_that_cannot_be_notified(
    database: Database, job_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    def wake() -> None:
        raise ValueError("of whoever is notified")

    journal = Journal(database, claimed(database, "one"), lambda: None, wake)
    journal.stage("mesh", 0, 2)
    wait_for(lambda: "could not be notified" in caplog.text)
    journal.stage("mesh", 1, 2)
    journal.close()
    with database.reading() as session:
        job = jobs.by_id(session, job_id)
    assert job is not None
    assert job.units_done == 1


def test_a_driver_without_its_lease_overwrites_no_result(database: Database, job_id: str, tmp_path: Path) -> None:
    files = open_objects((tmp_path / "store").as_uri(), {})
    first, second = taken_over(database)
    lost: list[bool] = []
    for fence, content in ((second, b"right"), (first, b"wrong")):
        folder = tmp_path / fence.owner
        folder.mkdir()
        (folder / "manifest.json").write_bytes(content)
        publisher = Publisher(files, database, fence, (), folder / "partial", lambda: lost.append(True))
        publisher.publish(folder)
        publisher.close()
    assert lost == [True]
    with database.reading() as session:
        (result,) = results.listed(session, job_id, 10)
    assert b"".join(files.read(result.key)) == b"right"


def test_a_driver_with_its_lease_writes_all_of_that(database: Database, job_id: str) -> None:
    journal = Journal(database, claimed(database, "one"), lambda: None)
    journal.report(ProgressReport("finished", "depth", 4, 4, 0, 0.5, None, 8.0, STATS))
    journal.uses(["depth/x"])
    journal.close()
    assert log_of(database, job_id) == ["depth: 4 units, 8.0 s, 12.0 CPU s, 0 MB"]
    with database.reading() as session:
        assert [stage.stage for stage in jobs.stages(session, job_id)] == ["depth"]
        assert retention.used_artifacts(session, ["depth/x"], now()) == {"depth/x"}


def test_a_pass_that_cannot_be_exported_is_logged(
    database: Database, job_id: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = open_objects(str(tmp_path / "store"))
    publisher = Publisher(files, database, claimed(database, "one"), (), tmp_path / "partial", lambda: None)
    publisher.pass_finished("mesh", ())  # without the result that a finished pass has
    wait_for(lambda: "the results of mesh could not be published" in caplog.text)
    publisher.close()
