"""A small service for nginx to stand in front of: it says what it received, and holds what a test wants to be held."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.command import wait_for
from tests.servers import free_port

PIECE = b"x" * (1 << 20)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass
class Upstream:
    """Answers on `port`; `seen` are method and path of every request, `arrived` the bytes of bodies so far."""

    port: int = field(default_factory=free_port)
    seen: list[str] = field(default_factory=list)
    arrived: int = 0
    go_on: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        routes = [
            Route("/v1/events", self._events),
            Route("/v1/jobs/{job}/results/big", self._big),
            WebSocketRoute("/v1/events/ws", self._echo),
            Route("/assets/{name}", self._asset),
            Route("/{path:path}", self._answer, methods=METHODS),
        ]
        options = {"log_level": "error", "timeout_graceful_shutdown": 1, "ws": "websockets-sansio"}
        config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=self.port, **options)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        wait_for(lambda: self._server.started, 20.0)

    def stop(self) -> None:
        self.go_on.set()
        self._server.should_exit = True
        self._thread.join(10.0)

    async def _answer(self, request: Request) -> Response:
        """What was asked, with its headers and the length of its body."""
        self.seen.append(f"{request.method} {request.url.path}")
        total = 0
        async for piece in request.stream():
            total += len(piece)
            self.arrived += len(piece)
        return JSONResponse(
            {
                "method": request.method,
                "path": request.url.path,
                "headers": dict(request.headers),
                "bytes": total,
            }
        )

    async def _events(self, _: Request) -> Response:
        async def content() -> AsyncIterator[bytes]:
            yield b"data: first\n\n"
            while not self.go_on.is_set():
                await asyncio.sleep(0.01)
            yield b"data: last\n\n"

        return StreamingResponse(content(), media_type="text/event-stream")

    async def _big(self, request: Request) -> Response:
        async def content() -> AsyncIterator[bytes]:
            for _ in range(int(request.query_params["pieces"])):
                yield PIECE

        return StreamingResponse(content(), media_type="model/gltf-binary")

    async def _echo(self, socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    async def _asset(self, request: Request) -> Response:
        self.seen.append(f"GET {request.url.path}")
        return PlainTextResponse("body", headers={"Cache-Control": "public, max-age=31536000, immutable"})
