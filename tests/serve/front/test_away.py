"""What is answered while the service behind the front is away, speaks a foreign format, or takes its time."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from e2e3d.serve.front.configuration import SOCKET_BYTES, Front
from e2e3d.serve.front.haproxy_process import FrontProcess
from tests.command import wait_for
from tests.serve.front.conftest import binary, everything
from tests.servers import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
AWAY = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n\r\nPath"


class Backend:
    """Answers each connection with the next of `answers`, or with the last one; an empty one breaks the connection."""

    def __init__(self, port: int, *answers: bytes) -> None:
        self.heads: list[bytes] = []
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    self.heads.append(read_head(connection))
                    answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                    connection.sendall(answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def read_head(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        assert chunk
        received += chunk
    return received


class Alone:
    """A front, and the port where it expects the service."""

    def __init__(self) -> None:
        self.port, self.internal_port = free_port(), free_port()
        self.process = FrontProcess(Front("127.0.0.1", self.port, self.internal_port, "t", 256), binary())
        self.url = f"http://127.0.0.1:{self.port}/v1/jobs"

    def backend(self, *answers: bytes) -> contextlib.closing[Backend]:
        return contextlib.closing(Backend(self.internal_port, *answers))


@pytest.fixture(scope="module")
def alone() -> Iterator[Alone]:
    made = Alone()
    yield made
    made.process.stop()


def require_away(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    document = answer.json()
    assert (document["code"], document["status"]) == ("service-restarting", 503)
    assert document["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_waits_until_the_service_is_back(alone: Alone, method: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx.request, method, alone.url, content=b"{}" if method == "POST" else None, timeout=60)
        time.sleep(1.5)
        assert not waiting.done()
        with alone.backend(OK):
            assert waiting.result().status_code == 200


@pytest.mark.slow
def test_who_has_waited_long_enough_is_told_when_to_come_back(alone: Alone) -> None:
    begun_s = time.monotonic()
    require_away(httpx.get(alone.url, timeout=60))
    assert 5 < time.monotonic() - begun_s < 12


@pytest.mark.parametrize("status", [404, 500, 503])
def test_answers_of_ray_serve_itself_are_translated(alone: Alone, status: int) -> None:
    with alone.backend(AWAY.replace(b"404", str(status).encode())):
        require_away(httpx.get(alone.url, headers={"X-Request-ID": "mine"}))


def test_answers_of_the_service_are_not(alone: Alone) -> None:
    with alone.backend(AWAY.replace(b"text/plain", b"application/problem+json")):
        assert httpx.get(alone.url).status_code == 404
    with alone.backend(OK.replace(b"Content-Length", b"Content-Type: text/plain\r\nContent-Length")):
        assert httpx.get(alone.url).text == "ok"


def test_only_what_changes_nothing_is_repeated_when_the_service_dies_with_it(alone: Alone) -> None:
    with alone.backend(b"", b"", OK) as backend:
        assert httpx.get(alone.url).status_code == 200
        assert len(backend.heads) == 3
    with alone.backend(b"", OK) as backend:
        require_away(httpx.post(alone.url, content=b"{}"))
        assert len(backend.heads) == 1


def test_headers_that_steer_ray_serve_are_removed(alone: Alone) -> None:
    headers = {
        "X-Request-Timeout-Seconds": "0.001",
        "X-Request-Disconnect-Disabled": "?1",
        "X-E2E3D-Front": "y 6.6.6.6",
    }
    headers |= {"Serve_Multiplexed_Model_Id": "x", "serve-multiplexed-model-id": "y"}
    with alone.backend(OK) as backend:
        httpx.get(alone.url, headers=headers)
        head = backend.heads[0].lower()
    for part in (b"timeout-seconds", b"disconnect-disabled", b"multiplexed"):
        assert part not in head
    assert re.findall(rb"x-e2e3d-front: (.*)\r\n", head) == [b"t 127.0.0.1"]


@contextlib.contextmanager
def connected(alone: Alone, request: bytes) -> Iterator[tuple[socket.socket, socket.socket, bytes]]:
    """Send `request`; gives the client's socket, the backend's, and what the backend has received."""
    with socket.create_server(("127.0.0.1", alone.internal_port)) as listener:
        listener.settimeout(30)
        with socket.create_connection(("127.0.0.1", alone.port), timeout=30) as client:
            client.sendall(request)
            server, _ = listener.accept()
            with server:
                server.settimeout(30)
                yield client, server, read_head(server)


def test_bodies_and_answers_pass_as_they_come(alone: Alone) -> None:
    begun = b"PATCH /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nfirst"
    with connected(alone, begun) as (client, server, received):
        while not received.endswith(b"first"):
            received += server.recv(100)
        server.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n:\n\r\n"
        )
        answer = b""
        while not answer.endswith(b"2\r\n:\n\r\n"):
            answer += client.recv(1000)


SOCKET = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
UPGRADED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
"""The example of RFC 6455, section 1.3."""


def test_clients_can_hardly_send_into_a_socket(alone: Alone) -> None:
    """Serve's proxy takes messages of 16 MB, 32 of them before anybody reads one; only events go the other way."""
    head = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n" + SOCKET
    with connected(alone, head) as (client, server, _):
        server.sendall(UPGRADED + b"event" * 100_000)
        answer = b""
        while answer.count(b"event") < 100_000:
            chunk = client.recv(1 << 16)
            assert chunk
            answer += chunk
        assert 0 < arrived(client, server, 1_000_000) < 10 * SOCKET_BYTES


def test_an_upload_that_would_also_speak_http_2_is_as_fast(alone: Alone) -> None:
    head = b"PATCH /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1000000\r\n\r\n"
    with connected(alone, head) as (client, server, _):
        assert arrived(client, server, 1_000_000) == 1_000_000


def arrived(client: socket.socket, server: socket.socket, length: int) -> int:
    """How many of so many bytes that a client sends arrive within two seconds."""
    threading.Thread(target=send_all, args=(client, bytes(length)), daemon=True).start()
    count, until_s = 0, time.monotonic() + 2.0
    server.settimeout(0.2)
    while time.monotonic() < until_s and count < length:
        with contextlib.suppress(TimeoutError):
            count += len(server.recv(1 << 16))
    return count


def send_all(client: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        client.sendall(data)


def test_the_service_decides_whether_a_body_shall_come(alone: Alone) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
    head += b"Expect: 100-continue\r\n\r\n"
    with connected(alone, head) as (client, server, received):
        assert b"expect: 100-continue" in received.lower()
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(100)
        client.settimeout(30)
        server.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx"])
def test_whoever_leaves_is_noticed_by_the_service(alone: Alone, begin: bytes) -> None:
    with connected(alone, b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n") as (client, server, _):
        server.sendall(begin)
        if begin:
            assert client.recv(1000)
        client.close()
        assert everything(server) == b""


def test_good_answers_are_counted(alone: Alone) -> None:
    before = alone.process.answered()
    with alone.backend(OK, OK, AWAY):
        for _ in range(3):
            httpx.get(alone.url)
    assert alone.process.answered() == before + 2


def test_a_front_that_dies_is_started_again() -> None:
    made = Alone()
    try:
        made.process.watch()
        first = made.process.pid
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not runs(first), 20)
        made.process.watch()
        assert made.process.pid != first
        with made.backend(OK):
            assert httpx.get(made.url).status_code == 200
    finally:
        made.process.stop()
    assert not runs(made.process.pid)


def runs(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
