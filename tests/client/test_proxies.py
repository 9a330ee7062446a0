"""What is for this machine goes through no proxy; what went through one, and failed, says so."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from e2e3d.client import ApiError, ServiceUnavailableError, UnreachableError
from e2e3d.client.proxies import direct_patterns, is_loopback, proxy_of
from e2e3d.errors import SettingsError
from tests.servers import free_port

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Server(http.server.ThreadingHTTPServer):
    """Answers every request with `status` and `body`, and remembers what it was asked."""

    def __init__(self, status: int, body: bytes) -> None:
        self.asked: list[str] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("0.0.0.0", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextlib.contextmanager
def answering(status: int, body: bytes) -> Iterator[Server]:
    server = Server(status, body)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "service.localhost"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_loopback_is_reached_directly(
    make_client: Any, monkeypatch: pytest.MonkeyPatch, host: str, variable: str
) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")
    if host.endswith(".localhost"):
        assert direct_patterns(f"http://{host}:1") == direct_patterns("http://localhost") | {f"all://{host}": None}
        return
    with answering(404, b"{}") as service:
        with pytest.raises(ApiError) as caught:
            make_client(f"http://{host}:{service.port}", "key", patience_s=0).me()
        assert caught.value.status == 404
        assert service.asked == ["/v1/me"]


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "nonsense://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_hinders_no_service_on_this_machine(
    make_client: Any, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with answering(404, b"{}") as service:
        with pytest.raises(ApiError):
            make_client(f"http://127.0.0.1:{service.port}", "key", patience_s=0).me()
        assert service.asked == ["/v1/me"]
    with pytest.raises(SettingsError, match="ALL_PROXY"):
        make_client("http://service.example", "key")


def test_an_error_that_came_through_a_proxy_names_it(make_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(503, b"<html>no such host</html>") as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{proxy.port}")
        with pytest.raises(ServiceUnavailableError, match=f"proxy http://127.0.0.1:{proxy.port}") as caught:
            make_client("http://service.example", "key", patience_s=0).me()
        assert "secret" not in str(caught.value)
        assert proxy.asked == ["http://service.example/v1/me"]
    with answering(200, b"<html>sign in to this network</html>") as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(ApiError, match=f"through the proxy http://127.0.0.1:{proxy.port}"):
            make_client("http://service.example", "key", patience_s=0).me()


def test_a_proxy_that_does_not_answer_is_named(make_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    for variable, url in (("HTTP_PROXY", "http://service.example"), ("HTTPS_PROXY", "https://service.example")):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
        with pytest.raises(UnreachableError, match=f"through the proxy http://127.0.0.1:{port}.*NO_PROXY"):
            make_client(url, "key", patience_s=0).me()


def test_which_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_of("http://service.example") is None
    monkeypatch.setenv("HTTP_PROXY", "http://plain:1")
    monkeypatch.setenv("ALL_PROXY", "http://other:2")
    monkeypatch.setenv("NO_PROXY", "inside.example,10.0.0.1")
    assert proxy_of("http://service.example:8000/x") == "http://plain:1"
    assert proxy_of("https://service.example") == "http://other:2"
    assert proxy_of("http://inside.example:80") is None
    assert proxy_of("http://127.0.0.1:8000") is None
    for url in ("http://[::1]:8000", "http://0.0.0.0:1", "http://LOCALHOST", "http://a.localhost.", "http://127.9.9.9"):
        assert is_loopback(url), url
    for url in ("http://localhost.example", "http://10.0.0.1", "http://1270.example"):
        assert not is_loopback(url), url
