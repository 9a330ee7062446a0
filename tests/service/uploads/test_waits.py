"""What waits on behalf of one user holds up nobody: a decoder that hangs, a receiver of webhooks that says nothing."""

from __future__ import annotations

import base64
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.live import LiveService, live_service
from tests.running_service import patience_s
from tests.service.uploads.conftest import picture

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes by their command line")

CROWD = 50
"""More than a replica has threads for routes."""
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


@dataclass
class Crowd:
    """A service, and many requests of one user at the same time."""

    service: LiveService
    http: httpx.Client
    set_id: str

    def form(self, number: int) -> httpx.Response:
        files = {"file": (f"{number}.jpg", picture(number))}
        return self.http.post(f"/v1/image-sets/{self.set_id}/photos", files=files)

    def tus(self, number: int) -> httpx.Response:
        data, name = picture(number), base64.b64encode(f"{number}.jpg".encode()).decode()
        headers = TUS | {"Upload-Length": str(len(data)), "Upload-Metadata": f"filename {name}"}
        return self.http.post(f"/v1/image-sets/{self.set_id}/uploads", headers=headers, content=data)

    def thumbnail(self, _: int) -> httpx.Response:
        photo = self.http.get(f"/v1/image-sets/{self.set_id}/photos").json()["items"][0]["id"]
        return self.http.get(f"/v1/image-sets/{self.set_id}/photos/{photo}/thumbnail")


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    with live_service(tmp_path) as service:
        headers = {"Authorization": f"Bearer {service.key}"}
        limits = httpx.Limits(max_connections=2 * CROWD)
        with httpx.Client(base_url=service.url, headers=headers, timeout=60, limits=limits) as http:
            made = Crowd(service, http, http.post("/v1/image-sets", json={"name": "x"}).json()["id"])
            assert made.form(0).is_success  # starts a process that looks at photographs
            yield made


def decoders() -> list[psutil.Process]:
    """The processes of this one that look at photographs."""
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "e2e3d.service.intake.check_process" in child.cmdline()
    ]


def require_answers(
    crowd: Crowd, ask: Callable[[int], httpx.Response], release: Callable[[], object]
) -> list[httpx.Response]:
    """Have `ask` called by a crowd that waits until `release`; whoever asks for something else is answered."""
    with ThreadPoolExecutor(CROWD) as pool:
        asked = [pool.submit(ask, number) for number in range(1, CROWD + 1)]
        try:
            time.sleep(2.0)
            waiting, begun_s = sum(not one.done() for one in asked), time.monotonic()
            assert httpx.get(f"{crowd.service.url}/v1/me", headers=crowd.http.headers, timeout=60).is_success
            took_s = time.monotonic() - begun_s
        finally:
            release()
    assert waiting > 0.8 * CROWD
    assert took_s < patience_s(1.0)
    return [one.result() for one in asked]


@pytest.mark.parametrize("way", ["form", "tus", "thumbnail"])
def test_a_decoder_that_hangs_holds_up_nobody_else(crowd: Crowd, way: str) -> None:
    stopped = decoders()
    assert stopped
    for process in stopped:
        process.suspend()
    answers = require_answers(crowd, getattr(crowd, way), lambda: [process.resume() for process in stopped])
    assert {answer.status_code for answer in answers} <= {200, 201}


def test_receivers_that_do_not_answer_hold_up_nobody_else(crowd: Crowd) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=2 * CROWD) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hook"
        webhook = crowd.http.post("/v1/webhooks", json={"url": url}).json()["webhook"]["id"]
        require_answers(crowd, lambda _: crowd.http.post(f"/v1/webhooks/{webhook}/ping"), silent.close)
