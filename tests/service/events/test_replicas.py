"""Two replicas side by side on one database: what happens at one is told by the other, once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from e2e3d.service.jobs.lifecycle import JobTransition
from tests.servers import PostgresServer, RedisServer
from tests.service.api import open_api
from tests.service.jobs.test_routes import Jobs, events_of, image_set_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning"),
]
Pair = tuple[Jobs, Jobs]


@pytest.fixture(params=["database", "redis"])
def pair(
    request: pytest.FixtureRequest, postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path
) -> Iterator[Pair]:
    """One user at two replicas, which hear of each other through the database alone, or through Redis too."""
    url = postgres.new_database()
    changes = {"redis_url": redis_server.url} if request.param == "redis" else {}
    with open_api(url, tmp_path, **changes) as first, open_api(url, tmp_path, **changes) as second:
        user = first.user("a@example.org")
        one = Jobs(first, user, first.headers(user), image_set_of(first, user))
        yield one, replace(one, api=second)
    postgres.drop_database(url)


def test_a_stream_that_breaks_goes_on_at_the_other_replica(pair: Pair) -> None:
    one, other = pair
    job = one.submit().json()["id"]
    other.end(other.begin(), JobTransition.COMPLETED)
    everything = events_of(one, f"/jobs/{job}/events")
    assert [kind for _, kind, _ in everything] == ["job.queued", "job.running", "job.succeeded"]
    assert events_of(other, f"/jobs/{job}/events") == everything
    for number, (last, _, _) in enumerate(everything):
        assert events_of(other, f"/jobs/{job}/events", **{"Last-Event-ID": str(last)}) == everything[number + 1 :]


def test_a_socket_at_one_replica_hears_what_happens_at_the_other(pair: Pair) -> None:
    one, other = pair
    token = one.headers["Authorization"].partition(" ")[2]
    with other.api.client.websocket_connect(f"/v1/events/ws?access_token={token}&after=0") as socket:
        told = []
        job = one.submit().json()["id"]
        told.append(socket.receive_json())
        fence = one.begin()
        told.append(socket.receive_json())
        one.end(fence, JobTransition.COMPLETED)
        told.append(socket.receive_json())
    assert [event["type"] for event in told] == ["job.queued", "job.running", "job.succeeded"]
    assert {event["data"]["job_id"] for event in told} == {job}
    assert [event["id"] for event in told] == [number for number, _, _ in events_of(one, f"/jobs/{job}/events")]
