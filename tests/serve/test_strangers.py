"""The service as strangers find it: hostile connections, a proxy in the environment, secrets that nobody may log."""

from __future__ import annotations

import os
import re
import secrets
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from e2e3d.config.deployment import ServiceSettings
from tests.command import ROOT, wait_for
from tests.running_service import PASSWORD, RunningService
from tests.servers import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only"),
]
DEAD_PROXY = f"http://127.0.0.1:{free_port()}"


@pytest.mark.operations
def test_the_service_stays_right_among_strangers(
    tmp_path: Path, make_service: Callable[..., RunningService], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One start of the real service, which is dear; that it starts at all shows that its watchdog uses no proxy."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import hostile_clients

    key = secrets.token_urlsafe(48)
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), DEAD_PROXY)
    service = make_service(E2E3D_SECRET_KEY=key, E2E3D_LOG_LEVEL="debug", **proxies)
    settings = ServiceSettings(home=tmp_path / "home", admin_password=PASSWORD, secret_key=key)
    job_id, path = hostile_clients.prepare(settings)
    service.start()
    wait_for(lambda: f"E2E3D is ready: {service.url}" in service.log(), 30)
    target = hostile_clients.target_of(service.port, PASSWORD, job_id, path)
    require_sound_answers(service, target.download_path)
    require_no_secrets(service, tmp_path, target.download_path)
    root = service.processes()[0]
    found = hostile_clients.measure(root, target, list(hostile_clients.KINDS), 64, 15.0)
    print(found)
    assert found["beside_failed"] == found["ended"] == 0
    assert found["growth_mb"] < 200
    assert "starts again" not in service.log()
    require_front_returns(service)
    service.stop()


def require_sound_answers(service: RunningService, download_path: str) -> None:
    """Ids of requests are safe, Serve's own pages closed, and a large download is whole."""
    answer = httpx.get(f"{service.url}/nowhere", headers={"X-Request-ID": "no/id"})
    assert [answer.json()["request_id"]] == answer.headers.get_list("x-request-id")
    assert re.fullmatch("[0-9a-f-]{32,36}", answer.json()["request_id"])
    assert httpx.get(f"{service.url}/-/routes").json()["code"] == "not-found"
    with httpx.stream("GET", service.url + download_path, timeout=60) as download:
        assert sum(len(chunk) for chunk in download.iter_raw()) == int(download.headers["content-length"])


def require_no_secrets(service: RunningService, folder: Path, download_path: str) -> None:
    """Neither the service's log nor any file of Ray's session has the signature of an address that was used."""
    signed = download_path.split("/")[3]
    for method, path in (("GET", download_path), ("HEAD", download_path), ("GET", f"{download_path}/no/such")):
        httpx.request(method, service.url + path, timeout=60)
    sessions = {Path(word).parent for word in raylet_words(service) if word.startswith("/") and "session_" in word}
    assert sessions
    logs = [folder / "serve.log", *(log for session in sessions for log in session.rglob("*.log"))]
    assert any("/v1/downloads/…" in log.read_text(errors="replace") for log in logs)
    signature = signed.rpartition(".")[2].encode()
    assert not [log for log in logs if signature in log.read_bytes()]


def raylet_words(service: RunningService) -> list[str]:
    """What Ray's processes were started with, options and values apart."""
    words = " ".join(" ".join(process.cmdline()) for process in service.processes("raylet"))
    return re.split(r"[ =]", words)


def require_front_returns(service: RunningService) -> None:
    [front] = service.processes("haproxy")
    os.kill(front.pid, signal.SIGKILL)

    def answers() -> bool:
        try:
            return httpx.get(f"{service.url}/livez", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    wait_for(answers, 30)
    assert [process.pid for process in service.processes("haproxy")] != [front.pid]
