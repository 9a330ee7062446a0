from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from e2e3d.runtime.child_processes import workers_of
from tests.command import assert_all_end, environment

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")

WORKER = "import ctypes; ctypes.CDLL(None).prctl(15, b'ray::toy', 0, 0, 0); print('ready', flush=True); input()"
RAYLET = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORKER!r}])"


@pytest.fixture
def clusters() -> Iterator[dict[str, psutil.Process]]:
    """The worker of one job in each of two clusters, by the cluster's address: the ids of their jobs are the same."""
    raylets = {
        address: subprocess.Popen(
            [sys.executable, "-c", RAYLET, f"--gcs-address={address}"],
            env=environment(RAY_JOB_ID="02000000"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for address in ("10.0.0.1:6379", "10.0.0.1:63790")
    }
    workers = {}
    for address, raylet in raylets.items():
        assert raylet.stdout is not None
        assert raylet.stdout.readline() == b"ready\n"
        (workers[address],) = psutil.Process(raylet.pid).children()
    yield workers
    for raylet in raylets.values():
        raylet.communicate(b"\n", timeout=10)
    assert_all_end(list(workers.values()), 5.0)


def test_workers_of_another_cluster_are_left_alone(clusters: dict[str, psutil.Process]) -> None:
    for address, worker in clusters.items():
        assert workers_of("02000000", address) == [worker]
        assert workers_of("03000000", address) == []
    assert workers_of("02000000", "10.0.0.2:6379") == []
