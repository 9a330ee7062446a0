"""What surrounds every request: its id, the address it comes from, security headers, the access log, the metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from opentelemetry.trace import Span
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from e2e3d.runtime.logs import request_id_of_log
from e2e3d.serve.client_address import ClientAddressFinder
from e2e3d.serve.request_spans import QUIET, end_request_span, request_span
from e2e3d.service.http.problems import problem, unexpected
from e2e3d.service.http.redaction import without_signatures
from e2e3d.service.http.request_ids import request_id_of
from e2e3d.service.metrics.metrics import RequestMetrics

_LOG = logging.getLogger("e2e3d.access")
_UNLESS_GIVEN = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class RequestMiddleware:
    """ASGI middleware around the whole application.

    Args:
        app: what it surrounds.
        metrics: where requests are counted.
        origin: finds the address that a request comes from.
        names_answers: whether ``X-Request-ID`` is to be added; Ray Serve's proxy adds the one that it sent.
    """

    def __init__(
        self, app: ASGIApp, metrics: RequestMetrics, origin: ClientAddressFinder, names_answers: bool = True
    ) -> None:
        self._app = app
        self._names_answers = names_answers
        self._metrics = metrics
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        state = scope["state"] = {**scope.get("state", {})}
        state["request_id"] = request_id_of(headers.get(b"x-request-id"))
        peer = self._origin.peer(scope, headers)
        state["address"] = self._origin.client(peer, scope["headers"])
        named = not self._names_answers and state["request_id"].encode() == headers.get(b"x-request-id")
        answer = _Response(send, None if named else state["request_id"])
        begun_s = time.perf_counter()
        token = request_id_of_log.set(state["request_id"])
        with request_span(scope, headers) as span:
            try:
                if peer is None and self._origin.behind_front:
                    await _refuse_bypass(scope, receive, answer.send)
                else:
                    await self._app(scope, receive, answer.send)
            except Exception as error:  # noqa: BLE001 -- the outermost place that can still answer
                span.record_exception(error)
                await _respond_unexpected(scope, receive, answer, error)
            finally:
                request_id_of_log.reset(token)
                self._report(scope, span, answer.status, time.perf_counter() - begun_s)

    def _report(self, scope: Scope, span: Span, status: int, elapsed_s: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "none"
        method = scope.get("method", "WEBSOCKET")
        end_request_span(span, method, route, status)
        self._metrics.observe(method, route, status, elapsed_s, scope["state"].get("problem_code"))
        if scope["path"] in QUIET or not _LOG.isEnabledFor(logging.INFO):
            return
        state, path = scope["state"], without_signatures(scope["path"])
        members: dict[str, Any] = {
            "request": state["request_id"],
            "method": method,
            "path": path,
            "route": route,
            "status": status,
            "elapsed_ms": round(1000 * elapsed_s, 2),
            "address": state["address"],
        }
        members.update({name: state[name] for name in ("user_id", "problem_code") if name in state})
        _LOG.info("%s %s %d", method, path, status, extra={"members": members})


class _Response:
    """Adds headers to the answer and remembers its status; 500 when there is none, 499 for a WebSocket's refusal."""

    def __init__(self, send: Send, request_id: str | None) -> None:
        self._send = send
        self._added = () if request_id is None else ((b"x-request-id", request_id.encode("latin-1")),)
        self.status = 500
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            given = {name for name, _ in message["headers"]}  # in lower case, as ASGI says
            if _may_be_framed(message["headers"]):
                given.add(b"x-frame-options")  # older browsers heed it beside the policy, which says more
            added = [header for header in _UNLESS_GIVEN if header[0] not in given]
            message["headers"] = [*message["headers"], *self._added, *added]
        elif message["type"] == "websocket.accept":
            self.status = 101
        elif message["type"] == "websocket.close" and self.status == 500:
            self.status = 403
        await self._send(message)


def _may_be_framed(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the policy of an answer lets other sites show it in a frame."""
    return any(name == b"content-security-policy" and b"frame-ancestors *" in value for name, value in headers)


async def _refuse_bypass(scope: Scope, receive: Receive, send: Send) -> None:
    """Nobody but the front may use the internal port: the limits of strangers hold there."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    detail, action = "This port is internal to the service.", "Use the service's own address."
    response = problem(HTTPConnection(scope), 421, "front-bypassed", detail, action)
    await response(scope, receive, send)


async def _respond_unexpected(scope: Scope, receive: Receive, answer: _Response, error: Exception) -> None:
    response = unexpected(HTTPConnection(scope), error)
    if answer.started or scope["type"] != "http":
        raise error  # the server closes the connection: whoever reads it sees that the answer is not whole
    await response(scope, receive, answer.send)
