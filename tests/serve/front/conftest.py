from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from e2e3d.serve.front.configuration import Front
from e2e3d.serve.front.haproxy_process import FrontProcess, haproxy_binary
from tests.live import LiveService, live_service
from tests.servers import free_port

TOKEN = "t" * 32


@dataclass
class Fronted:
    """The application behind a front; `service.url` is the application's own address, without the front."""

    service: LiveService
    front: FrontProcess
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=headers, timeout=60)

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=60, source_address=(source, 0))
        made.settimeout(60)
        return made

    def say(self, data: bytes) -> bytes:
        """Send bytes on a connection of their own; returns everything that comes back until its end."""
        with self.connect() as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
            return everything(connection)


def everything(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(1 << 16):
            received += chunk
    return received


def binary() -> str:
    found = haproxy_binary()
    if found is None:
        pytest.skip("HAProxy is not installed")
    return found


@contextlib.contextmanager
def fronted(
    home: Path, per_address: int = 256, trusted_proxies: tuple[str, ...] = (), body_bytes: int | None = None
) -> Iterator[Fronted]:
    port = free_port()
    with live_service(home, front_token=TOKEN, trusted_proxies=trusted_proxies) as service:
        internal_port = int(service.url.rpartition(":")[2])
        address = Front("127.0.0.1", port, internal_port, TOKEN, per_address, trusted_proxies, body_bytes=body_bytes)
        front = FrontProcess(address, binary())
        try:
            yield Fronted(service, front, port)
        finally:
            front.stop()


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    with fronted(tmp_path_factory.mktemp("fronted")) as made:
        yield made
