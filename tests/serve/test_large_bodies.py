"""Large bodies of both directions pass the proxy and a replica of the running service in little memory."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from e2e3d.config.deployment import ServiceSettings
from e2e3d.service.http.bounded_uploads import UNBOUNDED_BODY_BYTES
from tests.command import ROOT
from tests.running_service import PASSWORD, REPLICA, RunningService, ServiceClient

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only"),
]
GIGABYTE = 1 << 30
PIECE = 1 << 20
PROXY = "ray::ProxyActor"
GROWTH_MB = {REPLICA: 100, PROXY: 60}
PAUSE_S = 4.0


class MemoryGrowth:
    """How much the memory of processes grows at most while it is watched, theirs and what they share with Ray."""

    def __init__(self, service: RunningService) -> None:
        self._processes = {title: service.processes(title) for title in GROWTH_MB}
        assert all(len(found) == 1 for found in self._processes.values())
        self._before = {title: _held_mb(found[0]) for title, found in self._processes.items()}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.most_mb = dict.fromkeys(GROWTH_MB, 0.0)

    def __enter__(self) -> MemoryGrowth:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        print({title: round(most) for title, most in self.most_mb.items()})

    def _watch(self) -> None:
        while not self._end.wait(0.1):
            for title, (process,) in self._processes.items():
                self.most_mb[title] = max(self.most_mb[title], _held_mb(process) - self._before[title])

    def require_bounded(self) -> None:
        for title, most_mb in self.most_mb.items():
            assert most_mb < GROWTH_MB[title], self.most_mb


def _held_mb(process: psutil.Process) -> float:
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))) / 1000


@pytest.mark.operations
def test_a_gigabyte_up_and_a_gigabyte_down_to_a_slow_reader(
    tmp_path: Path, make_service: Callable[..., RunningService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import hostile_clients

    key = "a-secret-key-of-tests-that-is-long-enough"
    service = make_service(E2E3D_SECRET_KEY=key)
    monkeypatch.setattr(hostile_clients, "FILE_BYTES", 1_000_000_000)
    settings = ServiceSettings(home=tmp_path / "home", admin_password=PASSWORD, secret_key=key)
    job, path = hostile_clients.prepare(settings)
    service.start()
    with service.client() as client:
        client.patiently("GET", f"/v1/jobs/{job}")
        with MemoryGrowth(service) as growth:
            upload(client)
        growth.require_bounded()
        with MemoryGrowth(service) as growth:
            download_slowly(service.port, client.http.headers["Authorization"], f"/v1/jobs/{job}/results/{path}")
        growth.require_bounded()
    service.stop()


def test_where_the_proxy_has_no_middleware_bodies_are_small_and_the_log_says_so(
    make_service: Callable[..., RunningService],
) -> None:
    service = make_service(RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH="builtins:list")
    service.start()
    with service.client() as client:
        refused = sent_at_once(client, UNBOUNDED_BODY_BYTES + PIECE)
        assert (refused.status_code, refused.json()["code"]) == (413, "body-too-large")
        assert sent_at_once(client, UNBOUNDED_BODY_BYTES).status_code == 204
    log = (service.folder / "serve.log").read_text(errors="replace")
    assert log.count("bodies of requests are limited to 64 MiB") == 1
    service.stop()


def upload(client: ServiceClient) -> None:
    """Send a gigabyte in one request, faster than it can be written."""
    began_s = time.monotonic()
    sent = sent_at_once(client, GIGABYTE)
    assert sent.status_code == 204, sent.text
    assert sent.headers["Upload-Offset"] == str(GIGABYTE)
    print(f"up: {GIGABYTE / 1e6 / (time.monotonic() - began_s):.0f} MB/s")


def sent_at_once(client: ServiceClient, size_bytes: int) -> httpx.Response:
    """The answer to an upload in one request; what it holds is no archive."""
    image_set = client.patiently("POST", "/v1/image-sets", json={"name": "large"})["id"]
    version = {"Tus-Resumable": "1.0.0"}
    made = client.http.post(
        f"/v1/image-sets/{image_set}/uploads",
        headers=version | {"Upload-Length": str(size_bytes), "Upload-Metadata": "filename YS56aXA="},
    )
    assert made.status_code == 201, made.text
    headers = version | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    headers["Content-Length"] = str(size_bytes)
    pieces = (bytes(PIECE) for _ in range(size_bytes // PIECE))
    return client.http.patch(made.headers["Location"], headers=headers, content=pieces, timeout=httpx.Timeout(600))


def download_slowly(port: int, authorization: str, path: str) -> None:
    """Read a gigabyte with pauses, in which everything that may lie between service and reader fills."""
    received, pauses_left = 0, 3
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        connection.connect(("127.0.0.1", port))
        connection.settimeout(120)
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        head = connection.recv(4096).partition(b"\r\n\r\n")
        assert b" 200 " in head[0].splitlines()[0], head
        received = len(head[2])
        while chunk := connection.recv(256 << 10):
            received += len(chunk)
            if pauses_left and received > (4 - pauses_left) * 100 * PIECE:
                pauses_left -= 1
                time.sleep(PAUSE_S)
    assert received == 1_000_000_000
