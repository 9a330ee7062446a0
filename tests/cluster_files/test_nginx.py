"""nginx in front of the service: every rule of its configuration, tried on a real nginx."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect as connect_websocket

from tests.cluster_files.front import DASHBOARD_PASSWORD, DASHBOARD_USER, RAY_TOKEN, Front
from tests.cluster_files.upstream import PIECE, Upstream
from tests.command import wait_for

MB = 1 << 20


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    started = Upstream()
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def make_front(upstream: Upstream) -> Iterator[Callable[..., Front]]:
    made: list[Front] = []

    def make(**settings: str) -> Front:
        made.append(Front(settings.pop("api", f"127.0.0.1:{upstream.port}"), **settings))
        made[-1].start()
        return made[-1]

    yield make
    for front in made:
        front.stop()
        shutil.rmtree(front.folder)


@pytest.fixture(scope="module")
def front(make_front: Callable[..., Front], upstream: Upstream) -> Front:
    service = f"127.0.0.1:{upstream.port}"
    return make_front(S3=service, BUCKET="models", UPLOAD_BYTES=str(400 * MB), RAY=service, GRAFANA=service)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_is_of_today_and_plain_http_leads_to_it(front: Front) -> None:
    moved = httpx.get(f"http://127.0.0.1:{front.http}/jobs?page=2")
    assert (moved.status_code, moved.headers["location"]) == (308, f"{front.url}/jobs?page=2")
    with front.client() as client:
        answer = client.get("/jobs")
    assert answer.headers["strict-transport-security"].startswith("max-age=63072000")
    assert "nginx/" not in answer.headers.get("server", "")
    old = front.trust()
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        front.connect(old)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        now = front.trust()
        now.minimum_version = now.maximum_version = version
        now.set_alpn_protocols(["h2", "http/1.1"])
        with front.connect(now) as connection:
            assert connection.selected_alpn_protocol() == "h2"


def test_the_service_learns_who_asks_and_nobody_can_say_otherwise(front: Front) -> None:
    said = {"x-forwarded-for": "6.6.6.6", "x-e2e3d-front": "forged", "upgrade": "h2c", "connection": "upgrade"}
    with front.client() as client:
        got = client.get("/jobs", headers=said | {"x-request-id": "mine-1"}).json()["headers"]
        made = client.get("/jobs", headers={"x-request-id": "not an id"}).json()["headers"]["x-request-id"]
    assert got["x-forwarded-for"] == "127.0.0.1"
    assert (got["x-request-id"], got["x-forwarded-proto"]) == ("mine-1", "https")
    assert got["host"] == f"127.0.0.1:{front.https}"
    assert {"x-e2e3d-front", "upgrade"}.isdisjoint(got)
    assert re.fullmatch("[0-9a-f]{32}", made)


def test_behind_another_proxy_that_one_says_who_asks(make_front: Callable[..., Front]) -> None:
    front = make_front(TRUSTED_PROXIES="127.0.0.0/8 10.0.0.0/8", TLS="off")
    said = {"x-forwarded-for": "6.6.6.6, 203.0.113.9, 10.1.2.3"}
    got = httpx.get(f"http://127.0.0.1:{front.http}/jobs", headers=said)
    assert got.json()["headers"]["x-forwarded-for"] == "203.0.113.9"
    assert "strict-transport-security" not in got.headers  # whoever has the TLS says it


def test_bodies_are_bounded_but_for_photographs(front: Front) -> None:
    with front.client() as client:
        refused = client.post("/v1/jobs", content=b"x" * 2 * MB)
        assert client.post("/v1/image-sets/s/photos", content=b"x" * 2 * MB).json()["bytes"] == 2 * MB
    with front.connect() as connection:
        connection.sendall(f"PATCH /v1/uploads/u HTTP/1.1\r\nHost: h\r\nContent-Length: {500 * MB}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.json()["code"], refused.headers["x-request-id"]) == ("body-too-large", refused.json()["request_id"])


def test_an_upload_reaches_the_service_before_it_is_whole(front: Front, upstream: Upstream) -> None:
    head = f"PATCH /v1/uploads/u HTTP/1.1\r\nHost: h\r\nContent-Length: {2 * MB}\r\nConnection: close\r\n\r\n"
    before = upstream.arrived
    with front.connect() as connection:
        connection.sendall(head.encode() + PIECE)
        wait_for(lambda: upstream.arrived - before >= MB // 2, 20.0)
        connection.sendall(PIECE)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_events_arrive_when_they_happen(front: Front, upstream: Upstream) -> None:
    with front.client() as client, client.stream("GET", "/v1/events") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "data: first"
        upstream.go_on.set()
        assert [line for line in lines if line] == ["data: last"]
    address = f"wss://127.0.0.1:{front.https}/v1/events/ws?access_token=secret-of-a-socket"
    with connect_websocket(address, ssl=front.trust()) as connection:
        connection.send("hello")
        assert connection.recv() == "hello"


def test_too_many_requests_of_an_address_or_a_token_are_refused(make_front: Callable[..., Front]) -> None:
    slow = make_front(ADDRESS_RATE="1", ADDRESS_BURST="5")
    with slow.client() as client:
        answers = [client.get("/jobs") for _ in range(10)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429] * 4
    assert answers[-1].json()["code"] == "too-many-requests"
    assert answers[-1].headers["retry-after"] == "2"
    by_token = make_front(TOKEN_RATE="1", TOKEN_BURST="2")
    with by_token.client() as client:
        mine = [client.get("/jobs", headers={"authorization": "Bearer mine"}).status_code for _ in range(5)]
        other = client.get("/jobs", headers={"authorization": "Bearer other"}).status_code
        none = [client.get("/jobs").status_code for _ in range(5)]
    assert (mine, other, none) == ([200] * 3 + [429] * 2, 200, [200] * 5)


def test_passwords_are_tried_slowly(make_front: Callable[..., Front]) -> None:
    front = make_front(PASSWORD_RATE="1", PASSWORD_BURST="3")
    with front.client() as client:
        tried = [client.post("/v1/auth/login", json={}).status_code for _ in range(6)]
        others = client.get("/jobs").status_code
    assert (tried, others) == ([200] * 4 + [429] * 2, 200)


def test_connections_of_one_address_are_bounded(make_front: Callable[..., Front], upstream: Upstream) -> None:
    front = make_front(CONNECTIONS="3")
    upstream.go_on.clear()
    with front.client() as client:
        streams = [client.stream("GET", "/v1/events") for _ in range(3)]
        assert [stream.__enter__().status_code for stream in streams] == [200] * 3
        assert client.get("/jobs").status_code == 429
        upstream.go_on.set()
        for stream in streams:
            stream.__exit__(None, None, None)
        wait_for(lambda: client.get("/jobs").status_code == 200, 20.0)


def test_dashboards_are_for_operators_only(front: Front) -> None:
    operator = (DASHBOARD_USER, DASHBOARD_PASSWORD)
    with front.client() as client:
        for path in ("/ray/", "/grafana/d/1", "/ray/api/jobs/"):
            assert client.get(path).status_code == 401
            assert client.get(path, auth=(DASHBOARD_USER, "guess")).status_code == 401
        ray, grafana = (client.get(path, auth=operator).json() for path in ("/ray/api/jobs/", "/grafana/d/1"))
        assert client.get("/ray").headers["location"].endswith("/ray/")
        assert client.get("/prometheus/", auth=operator).json()["path"] == "/prometheus/"  # not set: the service's own
    assert (ray["path"], ray["headers"]["authorization"]) == ("/api/jobs/", f"Bearer {RAY_TOKEN}")
    assert grafana["path"] == "/grafana/d/1"
    assert "authorization" not in grafana["headers"]


def test_what_ray_serve_says_of_itself_is_not_passed_on(front: Front) -> None:
    with front.client() as client:
        for path in ("/-/routes", "/-/healthz", "/%2D/routes", "//-/routes"):
            answer = client.get(front.url + path)
            assert (answer.status_code, answer.json().get("code")) == (404, "not-found"), path


def test_objects_need_an_address_that_was_signed(front: Front) -> None:
    signed = "/models/results/x.glb?X-Amz-Expires=60&X-Amz-Signature=" + 64 * "a"
    with front.client() as client:
        assert client.get("/models/results/x.glb").status_code == 403
        assert client.get("/models/?X-Amz-Signature=short").status_code == 403
        assert client.delete(signed).status_code == 403
        got = client.get(signed).json()
        assert client.put(signed, content=b"x" * 3 * MB).json()["bytes"] == 3 * MB
    assert (got["path"], got["headers"]["host"]) == ("/models/results/x.glb", f"127.0.0.1:{front.https}")


def test_files_of_the_page_are_kept(make_front: Callable[..., Front]) -> None:
    service = Upstream()
    service.start()
    front = make_front(api=f"127.0.0.1:{service.port}")
    with front.client() as client:
        assert [client.get("/assets/app-1a2b.js").text for _ in range(3)] == ["body"] * 3
        assert service.seen == ["GET /assets/app-1a2b.js"]
        service.stop()
        assert client.get("/assets/app-1a2b.js").text == "body"
        away = client.get("/v1/jobs")
    assert (away.status_code, away.json()["code"], away.headers["retry-after"]) == (503, "service-restarting", "2")


def test_what_changes_something_is_never_sent_twice(make_front: Callable[..., Front]) -> None:
    """The service takes a request and dies without an answer: a POST may have been done, a GET may be repeated."""
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in (one, two)]
        for server in (one, two):
            _close_what_comes(server, heads)
        for method, sent in (("POST", [b"POST"]), ("GET", [b"GET", b"GET"])):
            with make_front(api=" ".join(addresses)).client() as client:
                assert client.request(method, "/v1/jobs").status_code == 503
            assert [head.split()[0] for head in heads] == sent
            heads.clear()


def _close_what_comes(server: socket.socket, heads: list[bytes]) -> None:
    def work() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            heads.append(connection.recv(65536))
            connection.close()

    threading.Thread(target=work, daemon=True).start()


def test_a_new_certificate_is_used_without_a_restart(make_front: Callable[..., Front], upstream: Upstream) -> None:
    front = make_front()
    upstream.go_on.clear()

    def shown() -> bytes | None:
        with front.connect() as connection:
            return connection.getpeercert(binary_form=True)

    before = shown()
    with front.client() as client, client.stream("GET", "/v1/events") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "data: first"
        front.renew()
        wait_for(lambda: shown() != before, 20.0)
        upstream.go_on.set()
        assert [line for line in lines if line] == ["data: last"]  # what was under way goes on


def test_a_new_version_takes_the_place_of_the_old_one(upstream: Upstream) -> None:
    """By a file that names it: no request is refused, and what is under way ends where it began."""
    new = Upstream()
    new.start()
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    named = folder / "api"
    named.write_text(f"127.0.0.1:{upstream.port}\n")
    front = Front("nobody:1", API_FILE=str(named))
    front.start()
    upstream.go_on.clear()
    try:
        with front.client() as client, client.stream("GET", "/v1/events") as events:
            lines = events.iter_lines()
            assert next(lines) == "data: first"
            named.write_text(f"127.0.0.1:{new.port}\n")
            paths = iter(range(10_000))

            def answered_by_the_new_one() -> bool:
                path = f"/v1/jobs/{next(paths)}"
                assert client.post(path).status_code == 200
                return f"POST {path}" in new.seen

            wait_for(answered_by_the_new_one, 20)
            upstream.go_on.set()
            assert "data: last" in list(lines)
    finally:
        front.stop()
        new.stop()
        shutil.rmtree(front.folder)
        shutil.rmtree(folder)


def test_the_log_is_json_without_tokens(front: Front) -> None:
    secrets = ["secret-of-a-link", "secret-of-a-query", "secret-of-a-header"]
    with front.client() as client:
        path = f"/v1/downloads/{secrets[0]}/model.glb?access_token={secrets[1]}"
        client.get(path, headers={"authorization": f"Bearer {secrets[2]}", "x-request-id": "logged-1"})
    wait_for(lambda: any(line["request"] == "logged-1" for line in front.log()), 10.0)
    (line,) = [line for line in front.log() if line["request"] == "logged-1"]
    assert (line["path"], line["status"], line["tls"]) == ("/v1/downloads/-/model.glb", 200, "TLSv1.3")
    everything = "".join(
        path.read_text(errors="replace") for path in (front.folder / "access.log", front.folder / "stderr")
    )
    assert [secret for secret in [*secrets, "secret-of-a-socket", RAY_TOKEN] if secret in everything] == []


def test_health_and_figures_are_on_a_port_of_their_own(front: Front) -> None:
    assert "Active connections" in httpx.get(f"http://127.0.0.1:{front.status}/status").text
    assert httpx.get(f"http://127.0.0.1:{front.status}/jobs").status_code == 404
    with front.client() as client:
        assert client.get("/status").json()["path"] == "/status"  # the service's, not nginx's
