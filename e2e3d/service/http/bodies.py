"""Limits of request bodies: how long, and how slowly they may come. What a route reads decides which limit holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from e2e3d.service.http.bounded_uploads import SMALL_BODY_BYTES
from e2e3d.service.http.problems import BodyError

_SMALL_BODY_S = 30.0
_CHUNK_S = 60.0
_MARK = "__e2e3d_large_body__"
_Route = TypeVar("_Route", bound=Callable[..., Any])


def large_body(route: _Route) -> _Route:
    """Mark a route that reads its body as a stream, up to the largest upload that is allowed."""
    setattr(route, _MARK, True)
    return route


def no_cap(_: Scope, limit_bytes: int) -> int:
    """The limit of the route is that of the request."""
    return limit_bytes


class BodyLimits:
    """ASGI middleware that stops bodies that are too long (413) or too slow (408).

    Args:
        app: what it guards.
        large_bytes: limit of routes marked with :func:`large_body`; others may read 1 MiB.
        cap: the limit of a request, given that of its route; not larger.
    """

    def __init__(self, app: ASGIApp, large_bytes: int, cap: Callable[[Scope, int], int] = no_cap) -> None:
        self._app = app
        self._large_bytes = large_bytes
        self._cap = cap

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, self._large_bytes, self._cap)
        await self._app(scope, body.receive, send)


class _Body:
    def __init__(self, scope: Scope, receive: Receive, large_bytes: int, cap: Callable[[Scope, int], int]) -> None:
        self._scope, self._receive, self._large_bytes, self._cap = scope, receive, large_bytes, cap
        self._read_bytes = 0
        self._begun_s: float | None = None
        self._done = False

    async def receive(self) -> Message:
        if self._done:
            return await self._receive()  # waits for the client to go away, for as long as the answer takes
        # The route is known here: bodies are read after routing.
        large = getattr(self._scope.get("endpoint"), _MARK, False)
        limit_bytes = self._cap(self._scope, self._large_bytes) if large else SMALL_BODY_BYTES
        if self._begun_s is None:
            self._begun_s = time.monotonic()
            declared = dict(self._scope["headers"]).get(b"content-length", b"0")
            if declared.isdigit() and int(declared) > limit_bytes:
                raise _too_large(limit_bytes)
        message = await self._next(_CHUNK_S if large else self._begun_s + _SMALL_BODY_S - time.monotonic())
        if message["type"] == "http.request":
            self._read_bytes += len(message.get("body", b""))
            self._done = not message.get("more_body", False)
            if self._read_bytes > limit_bytes:
                raise _too_large(limit_bytes)
        return message

    async def _next(self, patience_s: float) -> Message:
        try:
            return await asyncio.wait_for(self._receive(), max(patience_s, 0.001))
        except TimeoutError:
            raise BodyError(
                408, "body-too-slow", "The body of the request did not arrive in time.", "Check your connection."
            ) from None


def _too_large(limit_bytes: int) -> BodyError:
    return BodyError(
        413,
        "body-too-large",
        f"The body of the request is larger than {limit_bytes} bytes.",
        "Send less at once; upload photographs one by one or in parts.",
    )
