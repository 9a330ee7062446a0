"""Three hosts that share nothing but an S3 store: what a dead host, a cut link and a dead head cost."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e3d.storage.opening import open_objects
from tests.command import SMALL, SampleRun, stored, wait_for
from tests.hosts import hosts
from tests.servers import BUCKET, S3Server
from tests.ssh_cluster import SshCluster

pytestmark = [pytest.mark.slow, pytest.mark.operations, pytest.mark.timeout(3000)]


class Job:
    """`e2e3d run` of the sample set on the head, with its results in a store of its own."""

    def __init__(self, cluster: SshCluster, photos: Path, store: str) -> None:
        self._cluster = cluster
        self._photos = photos
        self._store = store
        self.printed = ""
        self.returncode: int | None = None
        self.elapsed_s = 0.0

    def run(self) -> None:
        settings = [part for setting in SMALL for part in ("--set", setting)]
        command = [
            "env",
            f"E2E3D_STORE={self._store}",
            "e2e3d",
            "run",
            str(self._photos),
            "-o",
            f"out-{uuid.uuid4().hex[:6]}",
            "--quality",
            "preview",
        ]
        started_s = time.monotonic()
        ended = self._cluster.on_head([*command, *settings, "--address", f"{self._cluster.head.address}:6379"])
        self.elapsed_s = time.monotonic() - started_s
        self.printed, self.returncode = ended.stdout + ended.stderr, ended.returncode

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self.run)
        thread.start()
        return thread


@pytest.fixture(scope="module")
def cluster_of_three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SshCluster, S3Server]]:
    with hosts(3) as made:
        store = S3Server(tmp_path_factory.mktemp("s3"), made.here)
        store.start()
        cluster = SshCluster(made, store.options)
        try:
            cluster.up()
            cluster.wait_for_machines(3)
            yield cluster, store
        finally:
            cluster.close()
            store.stop()


def keys(server: S3Server, store: str) -> dict[str, Any]:
    """Results in a store by content key, with the times at which they were written."""
    found = open_objects(store, server.options).find()
    return {info.name.removesuffix(".safetensors"): info for info in found if info.name.endswith(".safetensors")}


def plain(names: Any) -> set[str]:
    """Content keys without the folder that spreads them."""
    return {f"{parts[0]}/{parts[-1]}" for parts in (name.split("/") for name in names) if parts[0] != "blob"}


def start_and_wait_for(
    stage: str, cluster: SshCluster, server: S3Server, photos: Path
) -> tuple[Job, str, threading.Thread]:
    """A job whose first result of the stage is there."""
    store = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    job = Job(cluster, photos, store)
    thread = job.start()
    wait_for(lambda: job.returncode is not None or any(key.startswith(f"{stage}/") for key in keys(server, store)), 900)
    assert job.returncode is None, job.printed
    return job, store, thread


def assert_as_undisturbed(server: S3Server, job: Job, store: str, before: dict[str, Any], run: SampleRun) -> None:
    """The same results as a run on one machine, and none of those that were there is written again."""
    assert job.returncode == 0, job.printed
    after = keys(server, store)
    assert plain(after) == plain(stored(run.out))
    rewritten = [key for key in before if after[key].modified_at != before[key].modified_at]
    assert not rewritten
    print(f"{len(after)} results, {len(before)} of them before the fault; {job.elapsed_s:.0f} s in all")


@pytest.mark.parametrize("stage", ["features", "depth"])
def test_a_worker_host_that_dies_in_the_middle_changes_nothing(
    stage: str, cluster_of_three: tuple[SshCluster, S3Server], sample_run: SampleRun
) -> None:
    cluster, server = cluster_of_three
    job, store, thread = start_and_wait_for(stage, cluster, server, sample_run.photos)
    before = keys(server, store)
    killed_s = time.monotonic()
    cluster.hosts[2].kill()
    cluster.wait_for_machines(2, timeout_s=60)
    print(f"the dead host was given up after {time.monotonic() - killed_s:.1f} s")
    thread.join()
    assert_as_undisturbed(server, job, store, before, sample_run)
    cluster.boot(cluster.hosts[2])
    cluster.up()
    cluster.wait_for_machines(3)


def test_a_link_that_is_cut_for_a_minute_changes_nothing(
    cluster_of_three: tuple[SshCluster, S3Server], sample_run: SampleRun
) -> None:
    cluster, server = cluster_of_three
    job, store, thread = start_and_wait_for("features", cluster, server, sample_run.photos)
    before = keys(server, store)
    cluster.hosts[1].cut()
    time.sleep(60)
    cluster.hosts[1].join()
    thread.join()
    assert_as_undisturbed(server, job, store, before, sample_run)
    cluster.up()
    cluster.wait_for_machines(3)


def test_after_the_head_died_the_same_command_goes_on(
    cluster_of_three: tuple[SshCluster, S3Server], sample_run: SampleRun
) -> None:
    cluster, server = cluster_of_three
    job, store, thread = start_and_wait_for("depth", cluster, server, sample_run.photos)
    before = keys(server, store)
    cluster.head.kill()
    thread.join()
    assert job.returncode != 0
    cluster.boot(cluster.head)
    cluster.up()
    cluster.wait_for_machines(3)
    job.run()
    assert_as_undisturbed(server, job, store, before, sample_run)
