"""``ray up cluster.yaml`` and a batch on it, as cluster/README.md says, on hosts that share nothing but an S3 store."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import SMALL, wait_for
from tests.hosts import hosts
from tests.servers import BUCKET, S3Server
from tests.ssh_cluster import SshCluster

pytestmark = [pytest.mark.slow, pytest.mark.operations, pytest.mark.timeout(1500)]


@pytest.fixture
def cluster_by_ssh(tmp_path: Path) -> Iterator[SshCluster]:
    with hosts(2) as made:
        store = S3Server(tmp_path, made.here)
        store.start()
        cluster = SshCluster(made, store.options)
        try:
            yield cluster
        finally:
            cluster.close()
            store.stop()


def image_sets(sample: Path, folder: Path) -> Path:
    """A working folder with two sets: a small one, and one without photographs."""
    folder.mkdir()
    shutil.copytree(sample / "images", folder / "statue")
    (folder / "texts").mkdir()
    (folder / "texts" / "notes.txt").write_text("no photograph")
    settings: dict[str, Any] = dict(setting.split("=") for setting in SMALL)
    lines = [
        {"name": "statue", "photos": "statue", "quality": "preview", "settings": settings},
        {"name": "texts", "photos": "texts"},
    ]
    (folder / "sets.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def test_a_cluster_over_ssh_computes_a_batch(cluster_by_ssh: SshCluster, sample_set: Path, tmp_path: Path) -> None:
    cluster_by_ssh.up()
    wait_for(lambda: cluster_by_ssh.alive() == 2, timeout_s=300)  # the head starts the workers, over ssh too
    folder = image_sets(sample_set, tmp_path / f"sets-{uuid.uuid4().hex[:6]}")
    store = f"s3://{BUCKET}/{uuid.uuid4().hex}"

    first = cluster_by_ssh.submit(folder, "sets.jsonl", "--store", store)
    assert first.returncode != 0  # one set cannot have a model
    assert "2 sets: " in first.stdout, first.stdout + first.stderr
    assert "1 failed." in first.stdout
    assert "texts: failed [no-photographs]" in first.stdout
    assert "statue: good" in first.stdout or "statue: doubtful" in first.stdout
    assert "exit code 4" in first.stdout + first.stderr

    from_python = f"""if True:
        import sys
        from pathlib import Path
        from e2e3d.batch import follow, submit
        address = "http://127.0.0.1:8265"
        job = submit(Path("{folder.name}/sets.jsonl"), address, "{store}")
        assert job.startswith("batch-sets-"), job
        print("ended with", follow(address, job, print))
    """
    again = cluster_by_ssh.on_head(["python", "-c", from_python])
    assert again.stdout.count("(computed before)") == 2, again.stdout + again.stderr
    assert "ended with 4" in again.stdout
