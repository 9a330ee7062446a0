"""When the command takes the service for dead: not while it works for others, and not because of a proxy."""

from __future__ import annotations

import contextlib
import http.server
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e3d.config.deployment import ServiceSettings
from e2e3d.serve import serve_command as command
from e2e3d.serve.front.configuration import FRONT_HEADER, Front
from e2e3d.serve.front.haproxy_process import FrontProcess
from tests.command import ROOT
from tests.serve.front.conftest import binary
from tests.servers import free_port

TOKEN = "t" * 32


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SILENCE_S": 2.0, "_FIRST_ANSWER_S": 2.0, "_PERIOD_S": 0.5, "_ANSWER_S": 0.5}.items():
        monkeypatch.setattr(command, name, value)


class Busy(http.server.BaseHTTPRequestHandler):
    """Has no time to say that it lives, but answers everything else."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.tokens.add(self.headers.get(FRONT_HEADER))  # type: ignore[attr-defined]
        if self.path == "/livez" and not self.server.idle:  # type: ignore[attr-defined]
            time.sleep(1.0)
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Busy)
    made.tokens, made.idle = set(), False
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def settings_for(server: Any, port: int, home: Path) -> ServiceSettings:
    internal_port = server.server_address[1]
    return ServiceSettings(home=home, port=port, internal_port=internal_port, front_token=TOKEN, secret_key="k" * 40)


def test_the_service_is_asked_around_the_front_and_around_proxies(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    server.idle = True
    settings = settings_for(server, free_port(), tmp_path)
    assert command.is_alive(settings)
    assert server.tokens == {f"{TOKEN} 127.0.0.1"}
    assert not command.is_alive(settings.model_copy(update={"internal_port": free_port()}))
    direct = {"internal_port": None, "front_token": None, "port": server.server_address[1]}
    assert command.is_alive(settings.model_copy(update=direct))
    assert command.is_alive(settings.model_copy(update=direct | {"host": "0.0.0.0"}))


def test_the_demonstration_asks_its_service_around_proxies(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import demo

    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(demo, "START_S", 5.0)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as service:
        demo.wait_until_ready(service, f"http://127.0.0.1:{server.server_address[1]}", tmp_path / "log")
        service.kill()


def test_what_the_service_starts_reaches_this_machine_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "inside.example")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    command.bypass_proxies_on_loopback()
    for host in ("127.0.0.1:9000", "localhost", "inside.example"):
        assert urllib.request.proxy_bypass(host), host
    assert not urllib.request.proxy_bypass("outside.example")


@pytest.mark.slow
def test_a_service_that_works_for_others_is_not_started_again(server: Any, tmp_path: Path) -> None:
    port = free_port()
    settings = settings_for(server, port, tmp_path)
    front = FrontProcess(Front("127.0.0.1", port, settings.internal_port or 0, TOKEN, 256), binary())
    node = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(command.watch, settings, node, front)
            until_s = time.monotonic() + 6
            while time.monotonic() < until_s:
                assert httpx.get(f"http://127.0.0.1:{port}/v1/jobs").status_code == 200
                assert not watching.done()
                time.sleep(0.1)
            assert watching.result(30) == "The service was silent for 2 s"
            server.idle = True
            watching = pool.submit(command.watch, settings, node, front)
            time.sleep(4)
            assert not watching.done()
            node.kill()
            assert watching.result(30) == "The node process ended with code -9"
    finally:
        node.kill()
        node.wait()
        front.stop()
