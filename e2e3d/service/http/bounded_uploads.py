"""Large bodies wait for the application that reads them, also inside Ray Serve.

Serve's proxy reads a body as fast as its client sends it, the replica fetches it as fast as the proxy has it, and both
keep what the application has not read yet in queues without a limit: a gigabyte that is uploaded would lie in memory.

Here the application reports how much of a body it has read, as ASGI messages of a type of their own on the way that
answers take, and a middleware of Serve's proxy reads no more than a window ahead; TCP makes the client wait. Where no
such middleware is, on a cluster whose proxies others have started, or a Ray that was not tested, bodies must be small.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

WINDOW_BYTES = 4 << 20
"""How far the proxy may be ahead of the application."""
SMALL_BODY_BYTES = 1 << 20
"""Largest body of routes that take no files."""
UNBOUNDED_BODY_BYTES = 64 << 20
"""Largest body where the proxy does not wait; what the commands send at once fits in."""
SOCKET_BYTES = 64 << 10
"""All that a client may send into a WebSocket."""
_REPORT_BYTES = 1 << 20  # less than the window: otherwise both sides would wait
_READ = "e2e3d.read"
_WAITS = (b"x-e2e3d-body", b"waits")
_LOG = logging.getLogger(__name__)


class QuietSockets:
    """ASGI middleware of Ray Serve's proxy: ends a WebSocket whose client says more than it has to.

    Clients only listen there; the proxy would keep what they send until the replica has asked for it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        said_bytes = 0

        async def receive_little() -> Message:
            nonlocal said_bytes
            message = await receive()
            if message["type"] == "websocket.receive":
                said_bytes += len(message.get("bytes") or b"") + len(message.get("text") or "")
            return message if said_bytes <= SOCKET_BYTES else {"type": "websocket.disconnect", "code": 1009}

        await self._app(scope, receive_little if scope["type"] == "websocket" else receive, send)


class BodyWindow:
    """ASGI middleware of Ray Serve's proxy: reads a body no more than a window ahead of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        window = _Window(receive, send)
        headers = [header for header in scope["headers"] if header[0] != _WAITS[0]]
        await self._app({**scope, "headers": [*headers, _WAITS]}, window.receive, window.send)


class _Window:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._received = self._read = 0
        self._progress = asyncio.Event()

    async def receive(self) -> Message:
        while self._received - self._read > WINDOW_BYTES:
            self._progress.clear()
            await self._progress.wait()
        message = await self._receive()
        self._received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == _READ:
            self._read = message["bytes"]
            self._progress.set()
        else:
            await self._send(message)


class ReadReports:
    """ASGI middleware of the application: reports to a proxy that waits how much of a body was read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or not proxy_waits(scope):
            await self._app(scope, receive, send)
            return
        read_bytes = reported_bytes = 0

        async def receive_and_report() -> Message:
            nonlocal read_bytes, reported_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes - reported_bytes >= _REPORT_BYTES:
                reported_bytes = read_bytes
                await send({"type": _READ, "bytes": read_bytes})
            return message

        await self._app(scope, receive_and_report, send)


class BodyLimitBehindServe:
    """How large a body may be behind Ray Serve's proxy; says once in the log when the smaller limit holds."""

    def __init__(self) -> None:
        self._said = False

    def __call__(self, scope: Scope, large_bytes: int) -> int:
        """The limit of a request whose route takes `large_bytes`."""
        if proxy_waits(scope):
            return large_bytes
        if not self._said:
            self._said = True
            _LOG.warning(
                "Ray Serve's proxy does not wait for slow readers: bodies of requests are limited to %d MiB",
                UNBOUNDED_BODY_BYTES >> 20,
            )
        return min(large_bytes, UNBOUNDED_BODY_BYTES)


def proxy_waits(scope: Scope) -> bool:
    """Whether the request came through a proxy with :class:`BodyWindow`.

    A client that says so itself gains nothing: other proxies end its request at the first report.
    """
    return _WAITS in scope["headers"]
