"""Faults of every part, on real servers: each test ends with every job in the right state and no stray process."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.runtime.priority import COMPUTING_NICENESS
from e2e3d.storage.opening import open_objects
from tests.command import SampleRun, assert_all_end, stored, wait_for
from tests.running_service import DRIVER, REPLICA, RUNNER, SETTINGS, RunningService, ServiceClient, patience_s
from tests.servers import BUCKET, KEY, SECRET, PostgresServer, RedisServer, S3Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only"),
]


@dataclass(frozen=True)
class Setting:
    """A service on PostgreSQL, S3 and Redis with a finished job."""

    service: RunningService
    client: ServiceClient
    image_set: str
    first_job: str


@pytest.fixture(scope="module")
def setting(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgresServer,
    s3_server: S3Server,
    redis_server: RedisServer,
    sample_run: SampleRun,
) -> Iterator[Setting]:
    database = postgres.new_database()
    store = f"s3://{BUCKET}/service"
    give_results(sample_run, store, s3_server.options)
    service = RunningService(
        tmp_path_factory.mktemp("service"),
        E2E3D_DATABASE_URL=database,
        E2E3D_SECRET_KEY="a-secret-key-of-tests-that-is-long-enough",
        E2E3D_STORE=store,
        E2E3D_S3_ENDPOINT=str(s3_server.options.endpoint),
        E2E3D_S3_KEY=KEY,
        E2E3D_S3_SECRET=SECRET,
        E2E3D_REDIS_URL=redis_server.url,
        E2E3D_REPLICAS="2",
    )
    try:
        service.start()
        with service.client() as client:
            image_set = client.upload(sample_run.photos)
            job = client.submit(image_set)
            end = client.wait_for_end(job)
            assert end["state"] == "succeeded", end
            assert end["progress"] == 1.0
            yield Setting(service, client, image_set, job)
        service.stop()
    finally:
        service.kill()


def give_results(run: SampleRun, store: str, options: S3Options) -> None:
    """Put what a run has stored up to its depth maps into the store of the service, which need not compute it again."""
    given = open_objects(store, options)
    for key, path in stored(run.out).items():
        if not key.startswith(("fusion", "merge", "mesh", "texture", "export")):
            given.put("/".join(path.parts[-3:]), path.read_bytes())


@pytest.fixture(autouse=True)
def calm(setting: Setting) -> Iterator[None]:
    """After every test: no process computes, and no job is left over."""
    yield
    setting.service.wait_until_ready()
    for state in ("queued", "running"):
        assert setting.client.patiently("GET", f"/v1/jobs?state={state}")["items"] == []
    wait_for(lambda: not setting.service.processes(DRIVER) and not setting.service.workers(), 20)


_faces = iter(range(20_001, 21_000))


def start_job(setting: Setting) -> str:
    """A job that still has to compute its mesh and texture, and does so now."""
    job = setting.client.submit(setting.image_set, mesh__max_faces=next(_faces))
    setting.client.wait_for_stage(job, "mesh")
    return job


def require_whole(setting: Setting, job: str, attempts: int = 1) -> None:
    """See that a job succeeds with as many attempts, and that all of its files are there."""
    end = setting.client.wait_for_end(job)
    assert end["state"] == "succeeded", end
    assert end["attempt"] == attempts, setting.client.http.get(f"/v1/jobs/{job}/log").text
    files = setting.client.download(job)
    assert {"manifest.json", "model.glb", "model.obj", "dense.ply", "mesh.ply", "report.html"} <= files.keys()
    assert end["result_bytes"] == sum(len(content) for content in files.values())
    assert files["dense.ply"] == setting.client.download(setting.first_job)["dense.ply"]


def test_a_job_leaves_exactly_the_files_that_it_lists(setting: Setting) -> None:
    require_whole(setting, setting.first_job)


def test_twenty_submissions_with_one_key_make_one_job(setting: Setting) -> None:
    body = {"image_set_id": setting.image_set, "quality": "preview", "settings": SETTINGS, "name": "once"}
    headers = dict(setting.client.http.headers) | {"Idempotency-Key": "tests-once"}
    together = threading.Barrier(20)

    def submit() -> httpx.Response:
        together.wait()
        return httpx.post(f"{setting.service.url}/v1/jobs", json=body, headers=headers, timeout=60.0)

    with ThreadPoolExecutor(20) as pool:
        answers = [pending.result() for pending in [pool.submit(submit) for _ in range(20)]]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert len(setting.client.patiently("GET", "/v1/jobs?text=once")["items"]) == 1
    other = httpx.post(f"{setting.service.url}/v1/jobs", json=body | {"name": "other"}, headers=headers, timeout=60.0)
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency-key-reused"
    assert setting.client.wait_for_end(answers[0].json()["id"])["state"] == "succeeded"


def test_cancel_is_acknowledged_within_5_s_when_everything_has_stopped(setting: Setting) -> None:
    before = memory_bytes(setting.service)
    job = start_job(setting)
    wait_for(setting.service.workers, 60)
    working = [*setting.service.workers(), *setting.service.processes(DRIVER)]
    asked_s = time.monotonic()
    assert setting.client.patiently("POST", f"/v1/jobs/{job}/cancel")["cancel_requested"]
    wait_for(lambda: setting.client.job(job)["state"] == "cancelled", 60)
    took_s = time.monotonic() - asked_s
    assert_all_end(working, 0.2)
    assert took_s < patience_s(5.0)
    assert memory_bytes(setting.service) < before + 150e6
    assert {"cameras.json", "sparse/images.bin", "dense.ply"} <= setting.client.download(job).keys()
    again = setting.client.patiently("POST", f"/v1/jobs/{job}/retry")["id"]
    require_whole(setting, again)


def memory_bytes(service: RunningService) -> float:
    """What the service holds; not its programs, whose share depends on who else on the machine runs them."""
    total = 0.0
    for process in service.processes():
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    return total


def test_kill_9_of_a_worker_and_of_the_driver(setting: Setting) -> None:
    """The unit of the worker is computed again, which is no attempt of the job; the end of its driver alone is one."""
    job = start_job(setting)
    wait_for(setting.service.workers, 60)
    assert {replica.nice() for replica in setting.service.processes(REPLICA)} == {os.nice(0)}
    wait_for(lambda: setting.service.workers()[0].nice() >= COMPUTING_NICENESS, 60)  # what answers comes first
    setting.service.workers()[0].kill()
    wait_for(lambda: "attempt 2 follows" in log_of(setting, job), 60)
    setting.client.wait_for_stage(job, "texture")
    assert setting.client.job(job)["attempt"] == 1
    (driver,) = setting.service.processes(DRIVER)
    driver.kill()
    require_whole(setting, job, attempts=2)
    assert "The process of the job was killed by signal 9." in log_of(setting, job)


def log_of(setting: Setting, job: str) -> str:
    lines = setting.client.patiently("GET", f"/v1/jobs/{job}/log?limit=200")["items"]
    return "\n".join(line["message"] for line in lines)


def test_kill_9_of_a_replica_that_serves(setting: Setting) -> None:
    """Those who ask hardly notice: what was under way in it fails at most, and its place is taken."""
    assert len(setting.service.processes(REPLICA)) == 2
    setting.service.processes(REPLICA)[0].kill()
    answers = []
    for _ in range(100):
        with contextlib.suppress(httpx.TransportError):
            answers.append(setting.client.http.get(f"/v1/jobs/{setting.first_job}").status_code)
    assert answers.count(200) >= 95
    wait_for(lambda: len(setting.service.processes(REPLICA)) == 2, 60)


@pytest.mark.parametrize("part", ["raylet", pytest.param("gcs_server", marks=pytest.mark.operations)])
def test_kill_9_of_the_runner_and_of_the_ray_node(setting: Setting, part: str) -> None:
    """Both interrupt the job, and are no attempts of it."""
    job = start_job(setting)
    (runner,), drivers = setting.service.processes(RUNNER), setting.service.processes(DRIVER)
    runner.kill()
    assert_all_end([runner, *drivers], 5.0)
    wait_for(lambda: setting.client.job(job)["interruptions"] == 1, 120)
    wait_for(lambda: setting.client.job(job)["state"] == "running" and setting.service.workers(), 120)
    (node,) = setting.service.processes("e2e3d.serve.node")
    before = [node, *node.children(recursive=True)]
    next(process for process in before if process.name() == part).kill()
    assert_all_end(before, 60.0)
    require_whole(setting, job)
    assert setting.client.job(job)["interruptions"] == 2


def test_postgresql_is_restarted(setting: Setting, postgres: PostgresServer) -> None:
    job = start_job(setting)
    postgres.kill()
    assert setting.client.http.get(f"/v1/jobs/{job}").status_code == 503
    time.sleep(3.0)
    postgres.start()
    require_whole(setting, job)


@pytest.mark.operations
def test_s3_is_away_for_30_s(setting: Setting, s3_server: S3Server) -> None:
    job = start_job(setting)
    s3_server.kill()
    time.sleep(30.0)
    s3_server.start()
    require_whole(setting, job)


def test_redis_is_away(setting: Setting, redis_server: RedisServer) -> None:
    """Streams of events go on, from the database."""
    redis_server.kill()
    try:
        job = setting.client.submit(setting.image_set)
        with setting.client.http.stream("GET", f"/v1/jobs/{job}/events", timeout=120.0) as stream:
            types = [line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event: ")]
        assert types[:2] == ["job.queued", "job.running"]
        assert types[-1] == "job.succeeded"
    finally:
        redis_server.start()
    require_whole(setting, job)
