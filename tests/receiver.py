"""A real HTTP receiver of webhooks, on this machine."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Message:
    """What arrived: the request's path, its headers with names in lower case, its body."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Keeps every message; `answers` are given one after another, the last one for good: (status, headers, body)."""

    port: int = 0
    scheme: str = "http"
    messages: list[Message] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=lambda: [(204, {}, b"")])
    drip: Callable[[], object] | None = None

    def url(self, host: str = "127.0.0.1", path: str = "/hook") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextlib.contextmanager
def receiving(told: Callable[[Message], object] | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver until the end of the block; `told` is called with each message as it arrives, before the answer.

    Signatures are good for five minutes, so a test that runs longer verifies them there. A message for which `told`
    raises gets no answer, and is sent again.
    """
    receiver = Receiver(scheme="https" if tls else "http")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            message = Message(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            receiver.messages.append(message)
            if told is not None:
                told(message)
            status, headers, content = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
            if receiver.drip is not None:
                receiver.drip()
            with contextlib.suppress(OSError):  # a sender may leave before the end
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128  # many senders at once; a full queue of the default five refuses the sixth

        def handle_error(self, *_: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def sleeping(seconds: float) -> Callable[[], None]:
    return lambda: time.sleep(seconds)
