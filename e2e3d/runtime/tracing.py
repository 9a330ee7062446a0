"""Traces of what the service does, by OpenTelemetry: none are made until :func:`start_tracing` was called.

The provider is this package's own and not the global one of the process, which Ray Serve sets for itself. What the
SDK reads from ``OTEL_…`` variables (sampler, headers of the exporter, sizes of batches) holds as everywhere.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from e2e3d.errors import MachineError
from e2e3d.runtime.logs import trace_id_of_log

_FLUSH_S = 3.0
_W3C = TraceContextTextMapPropagator()
_tracer: trace.Tracer = trace.NoOpTracer()
_shut_down: Callable[[], None] | None = None


def start_tracing(endpoint: str | None, process: str) -> None:
    """Send spans of this process to a receiver from now on, in the background; one that is away costs spans only.

    Args:
        endpoint: URL of an OTLP/HTTP receiver, such as ``http://collector:4318``; None makes no spans.
        process: what this process is, such as ``driver``; the spans' service is ``e2e3d-driver`` then.

    Raises:
        MachineError: ``tracing-missing`` when the exporter is not installed.
    """
    if endpoint is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise MachineError(
            "tracing-missing",
            f"E2E3D_TRACES_ENDPOINT is set, and the package {error.name} is not installed.",
            "Install it: pip install 'e2e3d[tracing]'; or leave E2E3D_TRACES_ENDPOINT out.",
        ) from error
    global _tracer, _shut_down
    stop_tracing()
    number = version("e2e3d")
    resource = Resource.create({"service.name": f"e2e3d-{process}", "service.version": number})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    _tracer = provider.get_tracer("e2e3d", number)

    def shut_down() -> None:
        sending = threading.Thread(target=provider.shutdown, name="last-spans", daemon=True)
        sending.start()
        sending.join(_FLUSH_S)

    _shut_down = shut_down


def stop_tracing() -> None:
    """Send what has not been sent, within a few seconds, and make no spans any more."""
    global _tracer, _shut_down
    if _shut_down is not None:
        _shut_down()
    _tracer, _shut_down = trace.NoOpTracer(), None


def is_tracing() -> bool:
    """Whether spans are made."""
    return _shut_down is not None


def tracer() -> trace.Tracer:
    """What makes spans; they are nothing while there is no tracing."""
    return _tracer


@contextlib.contextmanager
def span(
    name: str,
    parent: str | None = None,
    kind: trace.SpanKind = trace.SpanKind.INTERNAL,
    attributes: Mapping[str, str | int | float] | None = None,
) -> Iterator[trace.Span]:
    """A span around the block, below `parent` or else below the current one; its trace's id stands in the log's lines.

    An exception that leaves the block is recorded in it.

    Args:
        name: of the span.
        parent: a ``traceparent`` of the W3C (https://www.w3.org/TR/trace-context/); one that is malformed is no parent.
        kind: of the span.
        attributes: of the span.
    """
    context = None if parent is None else _W3C.extract({"traceparent": parent})
    with _tracer.start_as_current_span(name, context, kind, attributes) as made:
        if not made.is_recording():
            yield made
            return
        token = trace_id_of_log.set(trace.format_trace_id(made.get_span_context().trace_id))
        try:
            yield made
        finally:
            trace_id_of_log.reset(token)


def current_traceparent() -> str | None:
    """The current span as a ``traceparent`` of the W3C, by which another process makes spans below it."""
    carrier: dict[str, str] = {}
    if is_tracing():
        _W3C.inject(carrier)
    return carrier.get("traceparent")
