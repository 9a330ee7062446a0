"""``ray up cluster.yaml`` and what cluster/README.md does then, on hosts that share nothing but an S3 store."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
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


@pytest.fixture(scope="module")
def cluster_by_ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshCluster]:
    """A cluster of two machines that `ray up` made; the head started the worker, over ssh too."""
    with hosts(2) as made:
        store = S3Server(tmp_path_factory.mktemp("s3"), made.here)
        store.start()
        cluster = SshCluster(made, store.options)
        try:
            started_s = time.monotonic()
            cluster.up()
            up_s = time.monotonic() - started_s
            cluster.wait_for_machines(2)
            print(f"ray up took {up_s:.0f} s, the worker was there after {time.monotonic() - started_s:.0f} s")
            yield cluster
        finally:
            cluster.close()
            store.stop()


def image_sets(sample: Path | None, folder: Path) -> Path:
    """A working folder with a set of texts, and one of the sample's photographs where they are given."""
    folder.mkdir()
    (folder / "texts").mkdir()
    (folder / "texts" / "notes.txt").write_text("no photograph")
    lines: list[dict[str, Any]] = [{"name": "texts", "photos": "texts"}]
    if sample is not None:
        shutil.copytree(sample / "images", folder / "statue")
        settings = dict(setting.split("=") for setting in SMALL)
        lines.append({"name": "statue", "photos": "statue", "quality": "preview", "settings": settings})
    (folder / "sets.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def processes(cluster: SshCluster) -> list[str]:
    """Ray's own processes on all hosts."""
    found = []
    for host in cluster.hosts:
        pids = subprocess.run(["ip", "netns", "pids", host.name], capture_output=True, text=True, check=True).stdout
        for pid in pids.split():
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and b"raylet/raylet" in command.read_bytes():
                found.append(f"{host.name}: raylet {pid}")
    return found


def test_a_job_without_photographs_ends_with_the_exit_code_of_the_batch(
    cluster_by_ssh: SshCluster, tmp_path: Path
) -> None:
    folder = image_sets(None, tmp_path / f"sets-{uuid.uuid4().hex[:6]}")
    ended = cluster_by_ssh.submit(folder, "sets.jsonl", "--store", "models")
    assert ended.returncode != 0
    assert "texts: failed [no-photographs]" in ended.stdout, ended.stdout + ended.stderr
    assert "exit code 4" in ended.stdout + ended.stderr


def test_a_cluster_over_ssh_computes_a_batch_and_a_run(
    cluster_by_ssh: SshCluster, sample_set: Path, tmp_path: Path
) -> None:
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

    settings = [part for setting in (*SMALL, "mesh.max_faces=5000") for part in ("--set", setting)]
    command = ["e2e3d", "run", f"{folder.name}/statue", "-o", "out", "--quality", "preview", *settings]
    run = cluster_by_ssh.on_head(["env", f"E2E3D_STORE={store}", *command, "--address", "auto"])
    assert run.returncode == 0, run.stdout + run.stderr
    assert (cluster_by_ssh.head.home / "out" / "model.glb").stat().st_size > 10_000
    costs = json.loads((cluster_by_ssh.head.home / "out" / "manifest.json").read_text())["stages"]
    reused = {cost["stage"]: cost["reused_units"] == cost["units"] for cost in costs}
    assert reused["depth"], costs  # the batch computed it
    assert not reused["mesh"], costs


def test_ray_down_ends_ray_on_all_machines(cluster_by_ssh: SshCluster) -> None:
    assert len(processes(cluster_by_ssh)) == 2
    cluster_by_ssh.down()
    wait_for(lambda: not processes(cluster_by_ssh), timeout_s=30)
