"""``e2e3d serve`` on one machine, with nothing but a folder: started, idle, stopped amid a job, resumed, disk full."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.command import ROOT, e2e3d, wait_for
from tests.running_service import DRIVER, RunningService, patience_s

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only"),
]


@pytest.mark.operations
def test_an_embedded_service_is_small_and_its_jobs_survive_a_stop(service: RunningService, sample_set: Path) -> None:
    service.start()
    wait_for(lambda: f"E2E3D is ready: {service.url}" in service.log(), 30)
    memory_bytes = sum(process.memory_full_info().pss for process in service.processes())
    print(f"ready after {service.ready_after_s:.1f} s, {memory_bytes / 1e9:.2f} GB")
    assert service.ready_after_s < patience_s(30.0)
    assert memory_bytes < 1.6e9
    require_private(service)
    with service.client() as client:
        job = client.submit(client.upload(sample_set / "images"))
        client.wait_for_stage(job, "matching")
    assert service.processes(DRIVER)
    assert service.stop() < patience_s(10.0)
    service.start()
    with service.client() as client:
        end = client.wait_for_end(job)
        assert end["state"] == "succeeded", end
        assert end["attempt"] == 1
        assert any(stage["reused_units"] for stage in end["stages"])
        assert "model.glb" in client.download(job)
        require_owner_only(service)
    service.stop()
    require_log(service, job)


def require_owner_only(service: RunningService) -> None:
    """Nobody else may look at what the service or its Ray has written."""
    home = service.folder / "home"
    kept = [home, *home.rglob("*")]
    assert {path.suffix for path in kept} >= {".sqlite", ".sqlite-wal", ".sqlite-shm", ".glb", ".safetensors"}
    of_ray = Path(tempfile.gettempdir(), f"e2e3d-ray-{os.getuid()}")
    for path in [*kept, of_ray]:
        assert not path.stat().st_mode & 0o077, path


def require_log(service: RunningService, job: str) -> None:
    """Whatever process they come from, log lines are JSON objects on the standard error of the command."""
    lines = [line for line in (service.folder / "serve.log").read_text().splitlines() if line.startswith("{")]
    found = [json.loads(line) for line in lines]
    assert {line["process"] for line in found} >= {"replica", "runner", "driver"}
    submitted = next(line for line in found if line.get("route") == "/v1/jobs" and line["status"] == 201)
    of_job = [line for line in found if line.get("job") == job]
    assert {line["process"] for line in of_job} == {"runner", "driver"}
    assert {line["request"] for line in of_job if line["process"] == "driver"} == {submitted["request"]}


def test_processes_that_answer_http_do_not_carry_what_the_stages_compute_with() -> None:
    modules = "e2e3d.serve.app, e2e3d.serve.deployment, e2e3d.service.runner.runner, e2e3d.service.runner.maintenance"
    heavy = "{'numba', 'torch', 'open3d', 'pycolmap', 'scipy'}"
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def require_private(service: RunningService) -> None:
    """HTTP is answered on this machine only; Ray, which listens everywhere, answers only those who know its token."""
    [node] = service.processes("e2e3d.serve.node")
    internal_port = int(node.environ()["E2E3D_INTERNAL_PORT"])
    assert addresses(service.processes("haproxy"), service.port) == ["127.0.0.1"]
    assert addresses(service.processes("ray::ProxyActor"), internal_port) == ["127.0.0.1"]
    for part in service.processes("/raylet ") + service.processes("gcs_server"):
        assert part.environ()["RAY_AUTH_MODE"] == "token"
        assert len(part.environ()["RAY_AUTH_TOKEN"]) == 64


def addresses(processes: list[psutil.Process], port: int) -> list[str]:
    """Where these processes listen on a port."""
    return [
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == "LISTEN" and connection.laddr.port == port
    ]


def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = e2e3d("serve", "--port", port, E2E3D_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "Error [port-in-use]" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.operations
def test_a_store_that_is_full_fails_the_job_and_a_retry_goes_on(
    tmp_path: Path, sample_set: Path, make_service: Callable[..., RunningService]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or shutil.which("mount") is None or mount(disk, "size=9m"):
        pytest.skip("only root may mount a small disk")
    service = make_service(E2E3D_STORE=str(disk), E2E3D_MIN_FREE_BYTES="0")
    try:
        service.start()
        with service.client() as client:
            image_set = client.upload(sample_set / "images")
            job = client.submit(image_set)
            end = client.wait_for_end(job)
            assert end["state"] == "failed"
            assert end["error"]["code"] == "disk-full"
            assert "Retry the job" in end["error"]["action"]
            assert str(disk) not in client.http.get(f"/v1/jobs/{job}/log").text
            wait_for(lambda: not service.processes(DRIVER), 20)
            assert not mount(disk, "remount,size=200m")
            again = client.patiently("POST", f"/v1/jobs/{job}/retry")["id"]
            end = client.wait_for_end(again)
            assert end["state"] == "succeeded", end
            assert any(stage["reused_units"] for stage in end["stages"])
            assert "model.glb" in client.download(again)
        service.stop()
    finally:
        service.kill()
        subprocess.run(["umount", "--lazy", disk], check=True)


def mount(folder: Path, options: str) -> int:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
    return done.returncode
