"""Names of requests: a client's own is taken over when it can stand in any header and log, and replaced otherwise."""

from __future__ import annotations

import re
import uuid

from starlette.types import ASGIApp, Receive, Scope, Send

_HEADER = b"x-request-id"
SAFE_ID = "[A-Za-z0-9._-]{1,64}"
"""An id of a request that may stand in any header and log."""
_SAFE = re.compile(SAFE_ID.encode())


def request_id_of(given: bytes | None) -> str:
    """The id that a client gave, or a new one."""
    return given.decode() if given is not None and _SAFE.fullmatch(given) else uuid.uuid4().hex


class SafeRequestIds:
    """ASGI middleware for Ray Serve's proxy, which would send back whatever it was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, without an id that is not safe."""
        if "headers" in scope:
            kept = [header for header in scope["headers"] if header[0] != _HEADER or _SAFE.fullmatch(header[1])]
            scope["headers"] = kept
        await self._app(scope, receive, send)
