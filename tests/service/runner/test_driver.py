"""The driver of a job whose photographs are lost: it ends the job at once, with their names."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import update

from e2e3d.config.deployment import ServiceSettings
from e2e3d.runtime.tracing import stop_tracing
from e2e3d.service.database import Database, upgrade
from e2e3d.service.database.table_base import now
from e2e3d.service.jobs import leases
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.records import Fence, JobRecord, NewJob
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.runner import driver
from e2e3d.storage.names import blob_name
from e2e3d.storage.opening import open_objects
from tests.otlp import receiving_traces
from tests.pictures import encode, textured
from tests.service.intake.conftest import Place


@dataclass
class Running:
    """A job on three photographs, which a runner has just claimed."""

    place: Place
    settings: ServiceSettings
    fence: Fence
    hashes: list[str]

    def drive(self) -> JobRecord:
        folder = self.settings.home / "attempt"
        folder.mkdir()
        attempt = driver.JobAttempt(self.settings, self.place.database, self.fence, folder)
        assert attempt.run() == driver.ENDED
        with self.place.database.reading() as session:
            job = jobs.by_id(session, self.fence.job_id)
        assert job is not None
        return job

    def lose(self, position: int) -> None:
        self.place.files.delete(blob_name(self.hashes[position]))


@pytest.fixture
def running(tmp_path: Path) -> Running:
    settings = ServiceSettings(home=tmp_path, secret_key="k" * 40)
    database = Database(settings.database)
    upgrade(database)
    place = Place(database, open_objects(settings.store_url))
    names = ["a.jpg", "b.jpg", "c.jpg"]
    hashes = [place.send(name, encode(textured(360, 480, seed))).photo.facts.sha256 for seed, name in enumerate(names)]
    with database.session() as session:
        jobs.create(session, NewJob(place.user_id, None, "preview"), list(zip(names, hashes, strict=True)), now())
        job = leases.claim(session, "tests", now(), 600.0)
    assert job is not None
    return Running(place, settings, Fence(job.id, "tests", job.attempt), hashes)


def require_gone(job: JobRecord, names: str) -> None:
    assert (job.state, job.error_code, job.attempt) == ("failed", "photographs-gone", 1)
    assert (job.error_message or "").endswith(f"of 3 photographs: {names}.")
    assert "pload these photographs again" in (job.error_hint or "")


def test_a_job_on_lost_photographs_ends_before_anything_is_computed(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    running.lose(0)
    running.lose(2)
    started_s = time.monotonic()
    require_gone(running.drive(), "a.jpg, c.jpg")
    assert time.monotonic() - started_s < 10.0
    last = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (last["job"], last["process"], last["message"]) == (running.fence.job_id, "driver", "the job is failed")


def test_an_attempt_is_a_span_below_that_of_the_request(running: Running) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with running.place.database.session() as session:
        session.execute(update(JobRow).values(trace_parent=parent))
    running.lose(0)
    with receiving_traces() as receiver:
        running.settings = running.settings.model_copy(update={"traces_endpoint": receiver.url})
        running.drive()
        stop_tracing()
        spans = {span.name: span for span in receiver.spans(service="e2e3d-driver")}
    attempt, queue = spans["job"], spans["queue"]
    assert (attempt.trace, attempt.parent, attempt.failed) == (parent[3:35], parent[36:52], True)
    said = {"e2e3d.job": running.fence.job_id, "e2e3d.outcome": "refused", "e2e3d.error_code": "photographs-gone"}
    assert said.items() <= attempt.attributes.items()
    assert (queue.trace, queue.parent) == (attempt.trace, attempt.id)
    assert queue.began_ns < attempt.began_ns


@pytest.mark.slow
def test_a_job_that_meets_a_lost_photograph_does_not_repeat(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The photograph goes after the job has looked for it, so that a worker of Ray misses it."""
    look, looks = driver.lost_photographs, []

    def look_and_lose(*arguments: object) -> tuple[str, ...]:
        gone = look(*arguments)
        looks.append(gone)
        running.lose(1)
        return gone

    monkeypatch.setattr(driver, "lost_photographs", look_and_lose)
    require_gone(running.drive(), "b.jpg")
    assert looks == [(), ("b.jpg",)]
