"""A body is no further ahead of the application than a window, though what lies between keeps everything."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from e2e3d.serve.app import create_app
from e2e3d.service.http.bounded_uploads import (
    SOCKET_BYTES,
    UNBOUNDED_BODY_BYTES,
    WINDOW_BYTES,
    BodyWindow,
    QuietSockets,
    ReadReports,
)
from tests.service.api import Api, TestClient
from tests.service.http.test_bounded_downloads import Between

PIECE = 64 << 10


class Sender:
    """A client that sends a body as fast as it is let."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self.sent_bytes = 0
        self.answer: list[Message] = []

    async def receive(self) -> Message:
        if self.sent_bytes == self.total_bytes:
            await asyncio.Event().wait()
        self.sent_bytes += PIECE
        more = self.sent_bytes < self.total_bytes
        return {"type": "http.request", "body": bytes(PIECE), "more_body": more}

    async def send(self, message: Message) -> None:
        self.answer.append(message)


class Reader:
    """An application that reads as much as it is let, and counts."""

    def __init__(self) -> None:
        self.read_bytes = 0
        self.allowed_bytes = 0
        self.more = asyncio.Event()
        self.headers: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers = scope["headers"]
        more = True
        while more:
            while self.read_bytes >= self.allowed_bytes:
                self.more.clear()
                await self.more.wait()
            message = await receive()
            self.read_bytes += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def allow(self, total_bytes: int) -> None:
        self.allowed_bytes = total_bytes
        self.more.set()


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "method": "PATCH", "path": "/v1/uploads/x", "headers": list(headers)}


async def settled(sender: Sender) -> int:
    """What was sent when nothing more has been for a while."""
    seen = -1
    while seen != sender.sent_bytes:
        seen = sender.sent_bytes
        await asyncio.sleep(0.05)
    return seen


def test_the_proxy_reads_no_more_than_a_window_ahead() -> None:
    async def work() -> None:
        reader, sender = Reader(), Sender(64 << 20)
        app: ASGIApp = BodyWindow(Between(ReadReports(reader)))
        serving = asyncio.create_task(app(scope((b"x-e2e3d-body", b"waits")), sender.receive, sender.send))
        for read in (0, 1 << 20, 20 << 20):
            reader.allow(read)
            sent = await settled(sender)
            assert reader.read_bytes == read
            assert read + WINDOW_BYTES <= sent + (1 << 20) + PIECE
            assert sent <= read + WINDOW_BYTES + PIECE
        reader.allow(64 << 20)
        await asyncio.wait_for(serving, 30)
        assert reader.read_bytes == sender.sent_bytes == 64 << 20
        assert [message["type"] for message in sender.answer] == ["http.response.start", "http.response.body"]
        assert len(reader.headers) == 1  # what the client claims itself is taken away

    asyncio.run(work())


def test_an_application_that_does_not_read_still_answers() -> None:
    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body"})

    async def work() -> None:
        sender = Sender(64 << 20)
        await asyncio.wait_for(BodyWindow(Between(ReadReports(refuse)))(scope(), sender.receive, sender.send), 30)
        assert sender.answer[0]["status"] == 404
        assert sender.sent_bytes <= WINDOW_BYTES + PIECE

    asyncio.run(work())


def test_where_the_proxy_does_not_wait_bodies_are_small_and_the_log_says_so_once(
    embedded_api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    headers = embedded_api.headers(embedded_api.user("big@example.org"))
    with TestClient(create_app(embedded_api.services, behind_serve=True)) as behind_serve:
        set_id = behind_serve.post("/v1/image-sets", json={"name": "set"}, headers=headers).json()["id"]

        def send(client: TestClient) -> Any:
            form = {"content-type": "multipart/form-data; boundary=x"}
            content = b"x" * (UNBOUNDED_BODY_BYTES + 1)
            return client.post(f"/v1/image-sets/{set_id}/photos", content=content, headers=headers | form)

        assert send(embedded_api.client).json()["code"] == "form-broken"
        with caplog.at_level(logging.WARNING):
            refused = send(behind_serve), send(behind_serve)
        assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(413, "body-too-large")}
        assert str(UNBOUNDED_BODY_BYTES) in refused[0].json()["detail"]
        said = [record for record in caplog.records if "limited to 64 MiB" in record.getMessage()]
        assert len(said) == 1


def test_a_socket_whose_client_talks_is_ended() -> None:
    told: list[Message] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while not told or told[-1]["type"] == "websocket.receive":
            told.append(await receive())
        await send({"type": "websocket.send", "text": "an event"})

    with TestClient(QuietSockets(application)).websocket_connect("/") as socket:
        for _ in range(4):
            socket.send_bytes(bytes(SOCKET_BYTES // 2))
        assert socket.receive_text() == "an event"
    assert [message["type"] for message in told] == ["websocket.receive"] * 2 + ["websocket.disconnect"]
    assert told[-1]["code"] == 1009
