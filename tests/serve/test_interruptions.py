"""What stops a job from outside is no failure of the job: an embedded service whose parts are stopped and killed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.command import assert_all_end, wait_for
from tests.running_service import DRIVER, RUNNER, RunningService, ServiceClient, patience_s

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only"),
]


def begun_again(client: ServiceClient, job: str, interruptions: int) -> None:
    """Wait until the job runs again, with as many interruptions and in its first attempt."""

    def runs() -> bool:
        found = client.job(job)
        return bool(found["interruptions"] == interruptions and found["state"] == "running")

    wait_for(runs, patience_s(120.0))
    assert client.job(job)["attempt"] == 1


@pytest.mark.operations
def test_stops_and_kills_of_the_service_are_no_attempts_of_a_job(service: RunningService, sample_set: Path) -> None:
    service.start()
    with service.client() as client:
        job = client.submit(client.upload(sample_set / "images"))
        begun_again(client, job, 0)
        (driver,) = service.processes(DRIVER)
        driver.suspend()
        assert_all_end([driver], patience_s(40.0))
        begun_again(client, job, 1)
        service.processes(RUNNER)[0].kill()
        begun_again(client, job, 2)
        next(process for process in service.processes() if process.name() == "raylet").kill()
        begun_again(client, job, 3)
        log = [line["message"] for line in client.patiently("GET", f"/v1/jobs/{job}/log")["items"]]
        assert "The process of the job gave no sign of life for 30 s and was killed." in log
        client.patiently("POST", f"/v1/jobs/{job}/cancel")
        wait_for(lambda: client.job(job)["state"] == "cancelled", patience_s(20.0))
    service.stop()
