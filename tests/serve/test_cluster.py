"""The service on a Ray cluster that others started: the runner is a replica of Serve, and the cluster stays."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.command import wait_for
from tests.running_service import RunningService

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only"),
]


def replicas_of(cluster: str) -> list[str]:
    """Titles of the Serve replicas that run on the cluster."""
    found, port = [], cluster.partition(":")[2]  # Ray gives itself the machine's own address
    for process in psutil.process_iter(["cmdline"]):
        raylet = process.parent() if "ServeReplica" in " ".join(process.info["cmdline"] or ()) else None
        if raylet is not None and any(re.fullmatch(rf"--gcs-address=.*:{port}", word) for word in raylet.cmdline()):
            found.append(process.info["cmdline"][0])
    return found


def test_a_job_runs_on_a_cluster_and_leaves_it_as_it_was(
    cluster: str, sample_set: Path, make_service: Callable[..., RunningService]
) -> None:
    service = make_service(E2E3D_RAY_ADDRESS=cluster)
    service.start()
    wait_for(lambda: any("runner" in title for title in replicas_of(cluster)), 60.0)
    with service.client() as client:
        job = client.submit(client.upload(sample_set / "images"))
        end = client.wait_for_end(job)
        assert (end["state"], end["attempt"]) == ("succeeded", 1), service.log()
        assert {"model.glb", "report.html"} <= client.download(job).keys()
    service.stop()
    wait_for(lambda: not replicas_of(cluster), 20.0)
