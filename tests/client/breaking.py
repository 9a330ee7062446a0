"""A TCP proxy that cuts connections, as bad networks do."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class BreakingProxy:
    """Passes bytes to a service; a connection is cut when `cut_after` more bytes have gone one way.

    Attributes:
        cuts: how many connections are still to be cut; 0 = it only passes bytes on.
        upwards: whether it counts the bytes to the service, or those from it.
        passed: bytes that went to the service; `returned` those that came from it.
    """

    def __init__(self, target_url: str) -> None:
        parts = urlsplit(target_url)
        self._target = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._closed = False
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cuts = 0
        self.cut_after = 0
        self.upwards = True
        self.passed = 0
        self.returned = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._closed = True
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                continue
            for source, target, up in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass, args=(source, target, up), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        gone = 0
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                if up == self.upwards:
                    gone += len(data)
                    if self._take_cut(gone):
                        break
                target.sendall(data)
                with self._lock:
                    self.passed += len(data) if up else 0
                    self.returned += 0 if up else len(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _take_cut(self, gone: int) -> bool:
        with self._lock:
            if self.cuts <= 0 or gone < self.cut_after:
                return False
            self.cuts -= 1
            return True


@contextlib.contextmanager
def breaking_proxy(target_url: str) -> Iterator[BreakingProxy]:
    proxy = BreakingProxy(target_url)
    try:
        yield proxy
    finally:
        proxy.close()
