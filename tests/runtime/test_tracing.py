"""Traces: what is sent to a receiver, below which parent, and that a receiver that is away costs nothing but spans."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator

import pytest

from e2e3d.errors import MachineError
from e2e3d.runtime.logs import JsonLines
from e2e3d.runtime.tracing import current_traceparent, span, start_tracing, stop_tracing
from tests.otlp import TraceReceiver, receiving_traces
from tests.servers import free_port

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def receiver() -> Iterator[TraceReceiver]:
    with receiving_traces() as receiver:
        start_tracing(receiver.url, "tests")
        yield receiver
        stop_tracing()


def logged_line() -> dict[str, str]:
    line: dict[str, str] = json.loads(JsonLines().format(logging.makeLogRecord({"msg": "said"})))
    return line


def test_there_are_none_without_a_receiver() -> None:
    start_tracing(None, "tests")
    with span("outer", PARENT) as made:
        assert not made.is_recording()
        assert current_traceparent() is None
        assert "trace" not in logged_line()


def test_spans_arrive_below_their_parent(receiver: TraceReceiver) -> None:
    with span("outer", PARENT, attributes={"e2e3d.job": "job-1"}):
        asked = current_traceparent()
        assert logged_line()["trace"] == PARENT[3:35]
        with span("inner"):
            pass
    with span("elsewhere", asked):
        pass
    with pytest.raises(ValueError, match="broken"), span("fails"):
        raise ValueError("broken")
    assert "trace" not in logged_line()
    stop_tracing()
    spans = {one.name: one for one in receiver.spans(service="e2e3d-tests")}
    outer = spans["outer"]
    assert (outer.trace, outer.parent, outer.attributes) == (PARENT[3:35], PARENT[36:52], {"e2e3d.job": "job-1"})
    assert {(one.trace, one.parent) for one in (spans["inner"], spans["elsewhere"])} == {(outer.trace, outer.id)}
    assert outer.began_ns <= spans["inner"].began_ns <= spans["inner"].ended_ns <= outer.ended_ns
    assert spans["fails"].failed
    assert spans["fails"].trace != outer.trace


@pytest.mark.parametrize("parent", ["", "nonsense", PARENT.replace("4bf9", "XXXX"), f"00-{'0' * 32}-{'0' * 16}-01"])
def test_a_malformed_parent_is_none(receiver: TraceReceiver, parent: str) -> None:
    with span("root", parent):
        pass
    stop_tracing()
    assert [one.parent for one in receiver.spans("root")] == [""]


def test_a_receiver_that_is_away_holds_nobody_up() -> None:
    start_tracing(f"http://127.0.0.1:{free_port()}", "tests")
    began_s = time.monotonic()
    for _ in range(100):
        with span("lost"):
            pass
    assert time.monotonic() - began_s < 1.0
    stop_tracing()
    assert time.monotonic() - began_s < 4.0


def test_a_missing_exporter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(MachineError) as error:
        start_tracing("http://127.0.0.1:4318", "tests")
    assert error.value.code == "tracing-missing"
    assert "pip install 'e2e3d[tracing]'" in error.value.hint
