"""The service, broken in many ways: the right alert fires, somebody is told, and it resolves when all is well again."""

from __future__ import annotations

import contextlib
import datetime
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from cluster.grafana.dashboards import DASHBOARDS
from e2e3d.storage.names import blob_name
from tests.command import wait_for
from tests.operations.conftest import WatchedService
from tests.pictures import encode, textured
from tests.running_service import RUNNER

pytestmark = [pytest.mark.slow, pytest.mark.operations, pytest.mark.timeout(1800)]

NO_GPU = "a machine without a GPU has none of these: Ray's agent exports them"
WITHOUT_DATA = {
    "ray_node_gpus_utilization": NO_GPU,
    "ray_node_gram_used": NO_GPU,
    "ray_node_gram_available": NO_GPU,
}
"""Expressions of panels that give nothing here, and why."""


@pytest.fixture(scope="module")
def finished_job(watched: WatchedService, sample_set: Path) -> str:
    """A real job that has succeeded."""
    job = watched.client.submit(watched.client.upload(sample_set / "images"))
    assert watched.client.wait_for_end(job)["state"] == "succeeded"
    return job


@contextlib.contextmanager
def stopped(processes: list[psutil.Process]) -> Iterator[None]:
    """Processes that hang while the block runs."""
    assert processes
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)


def test_nothing_fires_while_nothing_is_wrong(watched: WatchedService) -> None:
    watched.record_backup(datetime.timedelta(hours=1))
    watched.prometheus.wait_until_resolved("E2E3DBackupOld")
    assert watched.prometheus.firing() == set()


def test_lost_photographs_fail_jobs_and_a_runner_that_is_gone_is_missed(
    watched: WatchedService, tmp_path: Path
) -> None:
    client = watched.client
    (tmp_path / "doomed").mkdir()
    for seed in range(3):
        (tmp_path / "doomed" / f"{seed}.jpg").write_bytes(encode(textured(480, 640, seed)))
    doomed = client.upload(tmp_path / "doomed")
    photographs = client.patiently("GET", f"/v1/image-sets/{doomed}/photos")["items"]
    with stopped(watched.service.processes("e2e3d.serve.node")):  # it would start another runner
        for process in watched.service.processes(RUNNER):
            process.kill()
        jobs = [client.submit(doomed) for _ in range(3)]
        for photograph in photographs:
            watched.store.delete(blob_name(photograph["sha256"]))
        watched.prometheus.wait_until_fires("E2E3DRunnerDown")
    watched.prometheus.wait_until_resolved("E2E3DRunnerDown")

    assert [client.wait_for_end(job)["error"]["code"] for job in jobs] == ["photographs-gone"] * 3
    watched.prometheus.wait_until_fires("E2E3DJobsFailing")
    for job in jobs:
        client.patiently("DELETE", f"/v1/jobs/{job}")
    client.upload(tmp_path / "doomed")
    watched.prometheus.wait_until_resolved("E2E3DJobsFailing")
    wait_for(lambda: {"E2E3DRunnerDown", "E2E3DJobsFailing"} <= watched.told("/page", "firing"), 60)
    wait_for(lambda: {"E2E3DRunnerDown", "E2E3DJobsFailing"} <= watched.told("/page", "resolved"), 60)


def test_a_database_that_is_away_uses_up_the_error_budget(watched: WatchedService) -> None:
    def ask() -> set[str]:
        with contextlib.suppress(httpx.HTTPError):
            watched.client.http.get("/v1/jobs")
        time.sleep(0.5)
        return watched.prometheus.firing()

    watched.postgres.stop()
    try:
        deadline_s = time.monotonic() + 180
        while not {"E2E3DDatabaseDown", "E2E3DErrorBudgetBurnsFast"} <= ask():
            assert time.monotonic() < deadline_s, watched.prometheus.firing()
    finally:
        watched.postgres.start()
    watched.prometheus.wait_until_resolved("E2E3DDatabaseDown", "E2E3DErrorBudgetBurnsFast")
    wait_for(lambda: "E2E3DDatabaseDown" in watched.told("/page", "resolved"), 60)


def test_a_store_that_is_away(watched: WatchedService) -> None:
    watched.s3.kill()
    try:
        watched.prometheus.wait_until_fires("E2E3DStoreDown")
    finally:
        watched.s3.start()
    watched.prometheus.wait_until_resolved("E2E3DStoreDown")


def test_old_backups_and_certificates_and_a_blind_spot_become_tickets(watched: WatchedService) -> None:
    expected = ("E2E3DBackupOld", "E2E3DCertificateEnds", "E2E3DTargetDown")
    watched.record_backup(datetime.timedelta(hours=27))
    watched.public.certificate_for(days=13)
    watched.node.stop()
    watched.prometheus.wait_until_fires(*expected)
    wait_for(lambda: set(expected) <= watched.told("/ticket", "firing"), 60)
    watched.record_backup(datetime.timedelta(hours=1))
    watched.public.certificate_for(days=90)
    watched.node.start()
    watched.prometheus.wait_until_resolved(*expected)


def panels_without_data(watched: WatchedService) -> set[str]:
    """Expressions of panels to which a Prometheus that scraped a service with real jobs knows no answer."""
    wanted = {line for board in DASHBOARDS for panel in board.panels for line in panel.lines.values()}
    return {line for line in wanted if not watched.prometheus.ask(line.replace("$__rate_interval", "30s"))}


def test_every_panel_of_the_dashboards_has_an_answer(watched: WatchedService, finished_job: str) -> None:
    """After a job that succeeded and the ones that failed above, every kind of data has been there."""
    assert watched.client.http.get("/v1/jobs/none").status_code == 404
    wait_for(lambda: panels_without_data(watched) == set(WITHOUT_DATA), 60)


def test_a_service_that_is_gone_and_comes_back(watched: WatchedService) -> None:
    watched.service.stop()
    watched.prometheus.wait_until_fires("E2E3DDown", "E2E3DUnreachable")
    wait_for(lambda: "E2E3DDown" in watched.told("/page", "firing"), 60)
    watched.service.start()
    watched.prometheus.wait_until_resolved("E2E3DDown", "E2E3DUnreachable")
