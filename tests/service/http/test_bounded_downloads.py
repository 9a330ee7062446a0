"""A download is no further ahead of its reader than a window, though what lies between keeps everything it is given."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from e2e3d.service.http.bounded_downloads import (
    BUDGET_BYTES,
    SMALLEST_WINDOW_BYTES,
    WINDOW_BYTES,
    BoundedResponses,
    WrittenReports,
)

MEGABYTE = 1 << 20
PATH = "/v1/downloads/token/dense.ply"


class Between:
    """As Ray Serve: takes messages of both ways at once, and keeps them for whoever comes for them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received: asyncio.Queue[Message] = asyncio.Queue()
        answered: asyncio.Queue[Message | None] = asyncio.Queue()

        async def take() -> None:
            while True:
                message = await receive()
                received.put_nowait(message)
                if message["type"] == "http.disconnect":
                    return

        async def answer(message: Message) -> None:
            answered.put_nowait(message)

        async def work() -> None:
            try:
                await self._app(scope, received.get, answer)
            finally:
                answered.put_nowait(None)

        taking, working = asyncio.create_task(take()), asyncio.create_task(work())
        try:
            while (message := await answered.get()) is not None:
                await send(message)
            await working
        finally:
            taking.cancel()
            working.cancel()


class Reader:
    """A client that takes bodies only as far as it is let, and may go away."""

    def __init__(self) -> None:
        self.taken = 0
        self.body = bytearray()
        self.allowed = 0
        self._more = asyncio.Event()
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def receive(self) -> Message:
        return await self._messages.get()

    async def send(self, message: Message) -> None:
        body = message.get("body", b"")
        while body and self.taken + len(body) > self.allowed:
            self._more.clear()
            await self._more.wait()
        self.taken += len(body)
        self.body += body

    def allow(self, count: int) -> None:
        self.allowed += count
        self._more.set()

    def leave(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})


class Source:
    """The application: a file of a given length, and how much of it was read."""

    def __init__(self, megabytes: int) -> None:
        self.read = 0
        self._megabytes = megabytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def content() -> Any:
            for number in range(self._megabytes):
                self.read += MEGABYTE
                yield bytes([number]) * MEGABYTE

        await StreamingResponse(content())(scope, receive, send)


def scope_of(path: str, version: str) -> Scope:
    asgi = {"version": "3.0", "spec_version": version}
    return {"type": "http", "asgi": asgi, "method": "GET", "path": path, "headers": []}


async def settled(source: Source) -> int:
    seen = -1
    while seen != source.read:
        seen = source.read
        await asyncio.sleep(0.2)
    return seen


@pytest.mark.parametrize("version", ["2.1", "2.4"])  # with the first, Starlette itself waits for the client to leave
def test_a_download_waits_for_its_reader(version: str) -> None:
    async def work() -> None:
        source, reader = Source(20), Reader()
        app = WrittenReports(Between(BoundedResponses(source)))
        serving = asyncio.create_task(app(scope_of(PATH, version), reader.receive, reader.send))
        assert await settled(source) <= WINDOW_BYTES + 2 * MEGABYTE
        for _ in range(4):
            reader.allow(2 * MEGABYTE)
            assert await settled(source) <= reader.taken + WINDOW_BYTES + 2 * MEGABYTE
        assert reader.taken == 8 * MEGABYTE
        reader.allow(100 * MEGABYTE)
        await asyncio.wait_for(serving, 30)
        assert bytes(reader.body) == b"".join(bytes([number]) * MEGABYTE for number in range(20))

    asyncio.run(work())


def test_many_readers_share_what_one_may_be_ahead() -> None:
    async def work() -> None:
        app = BoundedResponses(Source(20))
        scope = scope_of(PATH, "2.1") | {"headers": [(b"x-e2e3d-written", b"reported")]}
        sent = [0] * 100

        def sender(number: int) -> Send:
            async def send(message: Message) -> None:
                sent[number] += len(message.get("body", b""))

            return send

        readers = [Reader() for _ in sent]
        serving = [
            asyncio.create_task(app(scope, reader.receive, sender(number))) for number, reader in enumerate(readers)
        ]
        await asyncio.sleep(1.0)
        assert 0 < max(sent) <= WINDOW_BYTES * 2
        assert sorted(sent)[50] <= 2 * SMALLEST_WINDOW_BYTES
        assert sum(sent) < 4 * BUDGET_BYTES
        for reader in readers:
            reader.leave()
        await asyncio.wait(serving, timeout=30)
        for each in serving:
            each.exception()
        assert app.window_bytes() == WINDOW_BYTES

    asyncio.run(work())


@pytest.mark.parametrize("version", ["2.1", "2.4"])
def test_a_reader_that_leaves_ends_the_download(version: str) -> None:
    async def work() -> None:
        source, reader = Source(20), Reader()
        app = BoundedResponses(source)
        scope = scope_of(PATH, version) | {"headers": [(b"x-e2e3d-written", b"reported")]}

        async def send(message: Message) -> None:
            pass

        serving = asyncio.create_task(app(scope, reader.receive, send))
        assert await settled(source) <= WINDOW_BYTES + 2 * MEGABYTE
        reader.leave()
        done, _ = await asyncio.wait({serving}, timeout=30)
        assert done
        serving.exception()  # Starlette says ClientDisconnect, or nothing
        assert source.read < 20 * MEGABYTE

    asyncio.run(work())


def test_other_answers_pass_untouched() -> None:
    async def work(path: str) -> bool:
        seen: list[Scope] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope)

        scope = scope_of(path, "2.1")
        await WrittenReports(app)(scope, Reader().receive, Reader().send)
        return seen[0] is scope

    for path in ("/v1/jobs/1", "/v1/events", "/v1/jobs/1/events", "/livez"):
        assert asyncio.run(work(path))
    for path in (PATH, "/v1/jobs/1/results/model.glb", "/v1/jobs/1/archive"):
        assert not asyncio.run(work(path))
