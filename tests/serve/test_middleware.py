import asyncio
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from prometheus_client.parser import text_string_to_metric_families

from e2e3d.errors import InputError, MachineError
from e2e3d.runtime.logs import JsonLines
from e2e3d.serve.client_address import ClientAddressFinder
from e2e3d.service.http import bodies
from e2e3d.service.http.bodies import SMALL_BODY_BYTES, large_body
from e2e3d.service.jobs.tables import JobRow, JobStageRow
from e2e3d.service.metrics import metrics
from tests.servers import PostgresServer
from tests.service.api import METRICS_TOKEN, Api


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What the service logs, as an operator's log collector reads it."""
    written: list[dict[str, Any]] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record)))

    logger, handler = logging.getLogger("e2e3d"), Collector()
    handler.setFormatter(JsonLines(members={"process": "replica"}))
    before = logger.level
    logger.setLevel("INFO")
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_requests_have_ids_that_stand_in_answers_and_logs(embedded_api: Api, lines: list[dict[str, Any]]) -> None:
    client = embedded_api.client
    user_id = embedded_api.user("ada@example.org")
    answer = client.get("/v1/jobs/none?x=secret", headers=embedded_api.headers(user_id) | {"X-Request-ID": "mine-1"})
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == "mine-1"
    line = next(one for one in lines if one["logger"] == "e2e3d.access")
    wanted = {
        "request": "mine-1",
        "process": "replica",
        "user_id": user_id,
        "status": 404,
        "route": "/v1/jobs/{job_id}",
    }
    assert wanted.items() <= line.items()
    assert "secret" not in json.dumps(line)
    for bad in ("a b", "x" * 65, "{}", "a:b", ""):
        made = client.get("/livez", headers={"X-Request-ID": bad}).headers["X-Request-ID"]
        assert re.fullmatch("[0-9a-f]{32}", made)


def test_answers_carry_security_headers(embedded_api: Api) -> None:
    for path in ("/livez", "/v1/me", "/nowhere"):
        headers = embedded_api.client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "expected"),
    [
        ((), "127.0.0.1", ["203.0.113.9"], "127.0.0.1"),  # nobody is trusted unless a proxy is configured
        (("127.0.0.1/32",), "127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        (("127.0.0.1/32",), "127.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        (("127.0.0.1/32",), "127.0.0.1", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        (("127.0.0.1/32",), "198.51.100.7", ["203.0.113.9"], "198.51.100.7"),
        (("127.0.0.1/32",), "127.0.0.1", ["nonsense"], "127.0.0.1"),
        (("127.0.0.1/32",), "127.0.0.1", [], "127.0.0.1"),
        (("10.0.0.0/8",), "10.1.2.3", ["203.0.113.9, 10.9.9.9"], "203.0.113.9"),
        (("fd00::/8",), "fd00::1", ["2001:DB8::1"], "2001:db8::1"),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", ["203.0.113.9"], "203.0.113.9"),
    ],
)
def test_only_trusted_proxies_may_say_where_a_request_comes_from(
    trusted: tuple[str, ...], peer: str, forwarded: list[str], expected: str
) -> None:
    origin = ClientAddressFinder(trusted, None)
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert origin.client(origin.peer({"type": "http", "client": (peer, 1)}, {}), headers) == expected


def test_a_signature_does_not_stand_in_the_log(embedded_api: Api, lines: list[dict[str, Any]]) -> None:
    for path in ("1.2.SECRET/model.glb", "1.2.SECRET/no/such/way", "/1.2.SECRET"):
        embedded_api.client.get(f"/v1/downloads/{path}")
    assert [line["path"] for line in lines if line["logger"] == "e2e3d.access"] == [
        "/v1/downloads/…/model.glb",
        "/v1/downloads/…/no/such/way",
        "/v1/downloads//…",
    ]
    assert "SECRET" not in json.dumps(lines)


def test_long_bodies_are_refused_unless_the_route_streams(embedded_api: Api) -> None:
    @embedded_api.app.post("/large")
    @large_body
    async def large(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    def sent(path: str, count: int, declared: bool) -> httpx.Response:
        content: Any = b"x" * count if declared else (b"x" * 65536 for _ in range(count // 65536))
        return embedded_api.client.post(path, content=content, headers={"Content-Type": "application/json"})

    too_long = 2 * SMALL_BODY_BYTES
    for declared in (True, False):
        refused = sent("/v1/auth/login", too_long, declared)
        assert (refused.status_code, refused.json()["code"]) == (413, "body-too-large")
        assert sent("/large", too_long, declared).json() == too_long
    assert sent("/v1/auth/login", SMALL_BODY_BYTES, True).status_code == 422


def test_slow_bodies_are_cut_off(embedded_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_SMALL_BODY_S", 0.3)
    messages = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.sleep(60)
        raise AssertionError("the body should have been cut off")

    started: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            started.append(message["status"])

    headers = [(b"content-type", b"application/json")]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/v1/auth/login", "raw_path": b"/v1/auth/login", "query_string": b"", "root_path": "",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    asyncio.run(asyncio.wait_for(embedded_api.app(scope, receive, send), 30))
    assert started == [408]


def _failing(app: FastAPI) -> None:
    @app.get("/fails/{how}")
    def fails(how: str) -> None:
        raise {
            "input": InputError("odd", "It is odd.", "Make it even."),
            "machine": MachineError("disk-full", "No space.", "Free some."),
            "bug": ZeroDivisionError("secret detail"),
        }[how]


def test_errors_become_problem_documents(embedded_api: Api, lines: list[dict[str, Any]]) -> None:
    _failing(embedded_api.app)
    for how, status, code in (("input", 422, "odd"), ("machine", 503, "disk-full"), ("bug", 500, "internal-error")):
        answer = embedded_api.client.get(f"/fails/{how}")
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
        assert problem["type"] == f"urn:e2e3d:problem:{code}"
        assert problem["action"]
        assert problem["request_id"] == answer.headers["X-Request-ID"]
        assert "secret" not in answer.text
    assert embedded_api.client.get("/fails/machine").headers["Retry-After"] == "5"
    assert any("secret detail" in line.get("exception", "") for line in lines)


def test_methods_and_paths_that_do_not_exist(embedded_api: Api) -> None:
    assert embedded_api.client.get("/v1/nothing").json()["code"] == "not-found"
    wrong = embedded_api.client.delete("/livez")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["Allow"]) == (405, "method-not-allowed", "GET")


def _metrics(api: Api) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = api.client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).text
    return {
        (sample.name, frozenset((k, v) for k, v in sample.labels.items() if k != "replica")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_requests_by_route_and_jobs_from_the_database(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    user_id = api.user("ada@example.org")
    headers = api.headers(user_id)
    for number in range(3):
        api.client.get(f"/v1/jobs/none{number}", headers=headers)
    with api.services.database.session() as session:
        session.add(JobRow(user_id=user_id, quality="low"))
        failed = JobRow(user_id=user_id, quality="low", state="failed", error_code="no-overlap")
        session.add(failed)
        session.flush()
        stage = {"stage": "depth", "units": 8, "reused_units": 3, "elapsed_s": 2.5}
        session.add(JobStageRow(job_id=failed.id, attempt=1, **stage))
    found = _metrics(api)

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert value("e2e3d_requests_total", method="GET", route="/v1/jobs/{job_id}", status="404") == 3
    assert value("e2e3d_jobs", state="queued") == value("e2e3d_queue_depth") == 1
    assert value("e2e3d_job_failures_total", code="no-overlap") == 1
    assert value("e2e3d_stage_seconds_total", stage="depth") == 2.5
    assert value("e2e3d_stage_units_total", stage="depth", reused="yes") == 3
    assert not any("none0" in str(key) for key in found)

    with api.services.database.session() as session:
        session.add(JobRow(user_id=user_id, quality="low"))
    assert _metrics(api)["e2e3d_queue_depth", frozenset()] == 1  # counted once in ten seconds, however often asked
    monkeypatch.setattr(metrics, "_GOOD_FOR_S", 0.0)
    assert _metrics(api)["e2e3d_queue_depth", frozenset()] == 2


@pytest.mark.slow
def test_a_database_that_is_away_is_told_and_forgotten(postgres: PostgresServer, tmp_path: Any) -> None:
    from tests.service.api import open_api

    url = postgres.new_database()
    with open_api(url, tmp_path) as api:
        headers = api.headers(api.user("ada@example.org"))
        assert api.client.get("/v1/me", headers=headers).status_code == 200
        postgres.kill()
        try:
            away = api.client.get("/v1/me", headers=headers)
            assert (away.status_code, away.json()["code"]) == (503, "database-away")
            unready = api.client.get("/readyz", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
            assert unready.status_code == 503
            assert unready.json()["parts"]["database"] == {"status": "failed", "detail": "database-away"}
            assert unready.json()["parts"]["store"]["status"] == "ok"
            assert api.client.get("/livez").status_code == 200
            assert _metrics(api)["e2e3d_database_up", frozenset()] == 0
        finally:
            postgres.start()
        assert api.client.get("/v1/me", headers=headers).status_code == 200
    postgres.drop_database(url)
