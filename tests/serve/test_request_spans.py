"""Spans of requests: named by their route, below that of the client, and handed to the jobs that they submit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from e2e3d.runtime.tracing import start_tracing, stop_tracing
from e2e3d.service.jobs.tables import JobRow
from tests.otlp import TraceReceiver, receiving_traces
from tests.service.api import Api
from tests.service.jobs.test_routes import Jobs, image_set_of

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def receiver() -> Iterator[TraceReceiver]:
    with receiving_traces() as receiver:
        start_tracing(receiver.url, "api")
        yield receiver
        stop_tracing()


@pytest.fixture
def user(embedded_api: Api) -> Jobs:
    user = embedded_api.user("ada@example.org")
    return Jobs(embedded_api, user, embedded_api.headers(user), image_set_of(embedded_api, user))


def test_a_request_is_a_span_and_its_job_knows_it(user: Jobs, receiver: TraceReceiver) -> None:
    answer = user.submit(name="traced")
    assert answer.status_code == 201
    assert user.call("GET", "/jobs/none", headers={"traceparent": PARENT}).status_code == 404
    assert user.api.client.get("/livez").status_code == 200
    stop_tracing()
    submitted, missed = receiver.spans(service="e2e3d-api")
    assert (submitted.name, submitted.parent, submitted.failed) == ("POST /v1/jobs", "", False)
    assert submitted.attributes["http.response.status_code"] == 201
    assert submitted.attributes["e2e3d.request"] == answer.headers["X-Request-ID"]
    assert (missed.name, missed.trace, missed.parent) == ("GET /v1/jobs/{job_id}", PARENT[3:35], PARENT[36:52])
    with user.api.services.database.reading() as session:
        parent = session.scalar(select(JobRow.trace_parent).where(JobRow.id == answer.json()["id"]))
    assert (parent or "").startswith(f"00-{submitted.trace}-{submitted.id}-")


def test_a_mistake_of_the_service_is_a_failed_span(
    user: Jobs, receiver: TraceReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("e2e3d.service.jobs.queries.listed", fail)
    assert user.call("GET", "/jobs").status_code == 500
    stop_tracing()
    (span,) = receiver.spans()
    assert span.failed


def test_a_job_knows_no_span_where_there_are_none(user: Jobs) -> None:
    job = user.submit().json()["id"]
    with user.api.services.database.reading() as session:
        assert session.scalar(select(JobRow.trace_parent).where(JobRow.id == job)) is None
