"""The span of a request: below that of the client where it sent one (``traceparent``), named by the route."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode
from starlette.types import Scope

from e2e3d.runtime.tracing import is_tracing, span
from e2e3d.service.http.redaction import without_signatures

QUIET = ("/livez", "/readyz", "/metrics")
"""Paths that are asked all the time: they stand in no log and no trace."""


@contextlib.contextmanager
def request_span(scope: Scope, headers: Mapping[bytes, bytes]) -> Iterator[Span]:
    """Make a span around a request.

    Its attributes are those of https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
    """
    if not is_tracing() or scope["path"] in QUIET:
        yield INVALID_SPAN
        return
    method = scope.get("method", "WEBSOCKET")
    attributes = {
        "http.request.method": method,
        "url.path": without_signatures(scope["path"]),
        "client.address": str(scope["state"]["address"]),
        "e2e3d.request": scope["state"]["request_id"],
    }
    parent = headers.get(b"traceparent")
    with span(method, None if parent is None else parent.decode("latin-1"), SpanKind.SERVER, attributes) as made:
        yield made


def end_request_span(made: Span, method: str, route: str, status: int) -> None:
    """Say what the request was and how it ended."""
    if made.is_recording():
        made.update_name(f"{method} {route}")
        made.set_attributes({"http.route": route, "http.response.status_code": status})
        if status >= 500:
            made.set_status(Status(StatusCode.ERROR))
