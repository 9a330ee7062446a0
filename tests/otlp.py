"""A small receiver of traces over OTLP/HTTP, and the spans that it was sent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tests.receiver import Message, Receiver, receiving


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it arrived; `parent` is the id of the one it stands below, "" for the first of its trace."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    failed: bool
    began_ns: int
    ended_ns: int


class TraceReceiver:
    """Takes in traces at `url`."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    @property
    def url(self) -> str:
        return self._receiver.url(path="")

    def spans(self, name: str = "", service: str = "") -> list[ReceivedSpan]:
        """All spans so far whose name begins with `name`, of a service or of all."""
        found = [span for message in list(self._receiver.messages) for span in _spans(message)]
        return [span for span in found if span.name.startswith(name) and span.service in (service or span.service,)]


@contextlib.contextmanager
def receiving_traces() -> Iterator[TraceReceiver]:
    """A receiver until the end of the block."""
    with receiving() as receiver:
        receiver.answers = [(200, {"content-type": "application/x-protobuf"}, b"")]
        yield TraceReceiver(receiver)


def _spans(message: Message) -> Iterator[ReceivedSpan]:
    assert message.path == "/v1/traces"
    for group in ExportTraceServiceRequest.FromString(message.body).resource_spans:
        resource = {pair.key: _value(pair.value) for pair in group.resource.attributes}
        for span in (span for scope in group.scope_spans for span in scope.spans):
            yield ReceivedSpan(
                resource["service.name"],
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                {pair.key: _value(pair.value) for pair in span.attributes},
                span.status.code == span.status.STATUS_CODE_ERROR,
                span.start_time_unix_nano,
                span.end_time_unix_nano,
            )


def _value(value: AnyValue) -> Any:
    return getattr(value, str(value.WhichOneof("value")))
