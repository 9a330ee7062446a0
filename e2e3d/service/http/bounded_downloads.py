"""Large responses wait for their readers, also inside Ray Serve.

Serve takes a response from the application as fast as it comes, and keeps what the client has not read yet: in queues
of the replica and in Ray's object store. A few slow readers of large files filled both, and all requests failed.

Here a middleware of Serve's proxy reports how much of a download it has written to the client, which the client's TCP
holds back, as ASGI messages of a type of their own on the way that bodies take; the application sends no more than a
window ahead.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

WINDOW_BYTES, SMALLEST_WINDOW_BYTES, BUDGET_BYTES = 1 << 20, 128 << 10, 6 << 20
"""How far a response may be ahead of its reader, at most and at least, and all of a replica together, about."""
_REPORT_BYTES = 64 << 10  # no more than the smallest window: otherwise both sides would wait
_REPORT = "e2e3d.written"
_REPORTED = (b"x-e2e3d-written", b"reported")
_DOWNLOAD = re.compile(r"/v1/(downloads/|jobs/[^/]+/(results/|archive))")


class WrittenReports:
    """ASGI middleware of Ray Serve's proxy: reports to the application how much of a download was written."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or not _DOWNLOAD.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        reports = _Reports(receive, send)
        try:
            await self._app({**scope, "headers": [*scope["headers"], _REPORTED]}, reports.receive, reports.send)
        finally:
            reports.close()


class _Reports:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._written = self._reported = 0
        self._news = asyncio.Event()
        self._client: asyncio.Future[Message] | None = None

    async def send(self, message: Message) -> None:
        await self._send(message)  # waits when the client does not read
        self._written += len(message.get("body", b""))
        if self._written - self._reported >= _REPORT_BYTES:
            self._news.set()

    async def receive(self) -> Message:
        """What comes from the client, or a report, whatever is there first."""
        if self._client is None:
            self._client = asyncio.ensure_future(self._receive())
        news = asyncio.ensure_future(self._news.wait())
        waited_for: set[asyncio.Future[Any]] = {self._client, news}
        try:
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        if self._client.done():
            message, self._client = self._client.result(), None
            return message
        self._news.clear()
        self._reported = self._written
        return {"type": _REPORT, "bytes": self._written}

    def close(self) -> None:
        if self._client is not None:
            self._client.cancel()


class BoundedResponses:
    """ASGI middleware of the application: responses whose writing is reported are at most a window ahead of it.

    The more responses there are, the smaller their windows: one fast reader is served fast, and many take no more
    memory.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._responses = 0

    def window_bytes(self) -> int:
        """Of each response now."""
        return max(SMALLEST_WINDOW_BYTES, min(WINDOW_BYTES, BUDGET_BYTES // max(1, self._responses)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or _REPORTED not in scope["headers"]:
            await self._app(scope, receive, send)
            return
        response = _Response(receive, send, self.window_bytes)
        self._responses += 1
        try:
            await self._app(scope, response.receive, response.send)
        finally:
            self._responses -= 1
            response.close()


class _Response:
    def __init__(self, receive: Receive, send: Send, window_bytes: Callable[[], int]) -> None:
        self._receive, self._send, self._window_bytes = receive, send, window_bytes
        self._sent = self._written = 0
        self._gone = False
        self._progress = asyncio.Event()
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._listening: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        if self._gone and self._messages.empty():
            return {"type": "http.disconnect"}
        self._listen()
        return await self._messages.get()

    async def send(self, message: Message) -> None:
        for piece in _pieces(message, self._window_bytes() // 2):
            await self._wait_for_room()
            await self._send(piece)
            self._sent += len(piece.get("body", b""))

    async def _wait_for_room(self) -> None:
        while self._sent - self._written > self._window_bytes() and not self._gone:
            self._listen()
            self._progress.clear()
            await self._progress.wait()
        if self._gone:
            raise OSError("the client has gone")  # what ASGI servers say

    def _listen(self) -> None:
        if self._listening is None:
            self._listening = asyncio.create_task(self._take_messages())

    async def _take_messages(self) -> None:
        while not self._gone:
            message = await self._receive()
            if message["type"] == _REPORT:
                self._written = message["bytes"]
            else:
                self._gone = message["type"] == "http.disconnect"
                self._messages.put_nowait(message)
            self._progress.set()

    def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()


def _pieces(message: Message, size_bytes: int) -> Iterator[Message]:
    """A message as several, none of which has a larger body."""
    body = message.get("body", b"")
    if len(body) <= size_bytes:
        yield message
        return
    for start in range(0, len(body), size_bytes):
        more = message.get("more_body", False) or start + size_bytes < len(body)
        yield {**message, "body": body[start : start + size_bytes], "more_body": more}
