"""What strangers may send: held by the front, before the application does anything for them."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from e2e3d.serve.app import ROUTERS
from e2e3d.serve.front import configuration
from e2e3d.serve.front.configuration import FRONT_HEADER
from tests.serve.front.conftest import Fronted, everything, fronted

HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
LAST = b"Connection: close\r\n\r\n"


def problem(answer: bytes) -> tuple[int, dict[str, object]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head.lower()
    return int(head.split()[1]), json.loads(body)


def test_requests_pass_and_the_application_names_who_sent_them(behind: Fronted) -> None:
    answer = behind.get("/v1/me", authorization=f"Bearer {behind.service.key}")
    assert answer.status_code == 200
    refused = behind.get("/v1/jobs/none", **{"X-Request-ID": "mine-1", "authorization": f"Bearer {behind.service.key}"})
    assert refused.json()["code"] == "job-missing"
    assert refused.headers.get_list("x-request-id") == [refused.json()["request_id"]] == ["mine-1"]


@pytest.mark.parametrize("given", [b"a b", b"x" * 65, b'"}{', b"a\xe4", b"a, b"])
def test_an_unsafe_request_id_is_replaced(behind: Fronted, given: bytes) -> None:
    head = behind.say(HEAD + b"X-Request-ID: " + given + b"\r\nConnection: close\r\n\r\n").partition(b"\r\n\r\n")[0]
    found = re.findall(rb"(?im)^x-request-id: (.*?)\r?$", head)
    assert len(found) == 1
    assert re.fullmatch(rb"[0-9a-f-]{32,36}", found[0])


def test_a_header_without_an_end_is_cut_off_early(behind: Fronted) -> None:
    """250 MB were read before, into the memory of Ray Serve's proxy, while everybody else waited."""
    sent = 0
    with behind.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(HEAD + b"X-Long: ")
        while sent < 64 << 20:
            connection.sendall(b"x" * 65536)
            sent += 65536
    assert sent < 8 << 20  # what fits into the buffers of the two sockets
    assert behind.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (HEAD + b"X-Long: " + b"x" * 17000 + b"\r\n" + LAST, 431, "headers-too-large"),
        (HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(101)) + LAST, 431, "headers-too-large"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n" + LAST, 414, "request-line-too-long"),
    ],
)
def test_a_head_that_is_too_large_is_told_so(behind: Fronted, data: bytes, status: int, code: str) -> None:
    found, document = problem(behind.say(data))
    assert (found, document["code"], document["status"]) == (status, code, status)
    assert document["detail"]
    assert document["action"]
    assert document["request_id"]


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"X-Long: " + b"x" * 40000 + b"\r\n" + LAST,
        b"GET /" + b"x" * 40000 + b" HTTP/1.1\r\nHost: x\r\n" + LAST,
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(behind: Fronted, data: bytes) -> None:
    assert behind.say(data).startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))


def test_pages_of_ray_serve_and_its_headers_are_not_for_strangers(behind: Fronted) -> None:
    for path in ("/-/routes", "/-/healthz", "/%2D/routes", "//-/routes", "/%2d%2froutes"):
        answer = behind.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), path


def test_the_application_answers_nobody_around_the_front(behind: Fronted) -> None:
    for headers in ({}, {FRONT_HEADER: "guessed 10.0.0.1"}, {"X-Forwarded-For": "10.0.0.1"}):
        answer = httpx.get(f"{behind.service.url}/livez", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (421, "front-bypassed")
    assert behind.get("/livez", **{FRONT_HEADER: "guessed 10.0.0.1"}).status_code == 200


def test_bodies_that_are_announced_as_too_large_never_arrive(behind: Fronted, tmp_path: Path) -> None:
    with fronted(tmp_path, body_bytes=1000) as small:
        request = b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" + LAST
        status, document = problem(small.say(request % 1001 + bytes(1001)))
        assert (status, document["code"]) == (413, "body-too-large")
        assert problem(small.say(request % 1000 + bytes(1000)))[0] == 422
        assert problem(behind.say(request % 1001 + bytes(1001)))[0] == 422


def test_only_paths_that_take_files_are_sent_large_bodies(behind: Fronted) -> None:
    """A body of 250 MB for any other path reached the proxy, which read megabytes of it before the refusal."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    paths = {re.sub(r"\{[^}]+\}", "x", route.path) for route in routes}
    large = {route.path for route in routes if hasattr(route.endpoint, "__e2e3d_large_body__")}
    taking = {path for path in paths if re.search(configuration.FILE_PATHS, path)}
    assert taking == {re.sub(r"\{[^}]+\}", "x", path) for path in large}
    before = len(behind.service.requests)
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n" + LAST
    for path in (b"/v1/auth/login", b"/v1/image-sets/x/photos/known", b"/livez", b"/v1/uploads/x/complete"):
        status, document = problem(behind.say(head % path))
        assert (status, document["code"]) == (413, "body-too-large"), path
    assert len(behind.service.requests) == before
    assert problem(behind.say(head % b"/v1/image-sets/x/%70hotos"))[0] == 401


def test_an_address_may_have_so_many_connections(tmp_path: Path) -> None:
    with fronted(tmp_path, per_address=4) as small:
        kept = [small.connect("127.0.0.2") for _ in range(4)]
        with small.connect("127.0.0.2") as fifth:
            fifth.sendall(HEAD + LAST)
            status, document = problem(everything(fifth))
        assert (status, document["code"]) == (429, "too-many-connections")
        kept += [small.connect("127.0.0.2") for _ in range(4)]
        assert refused(small, "127.0.0.2")
        assert small.get("/livez").status_code == 200  # from another address
        for connection in kept:
            connection.close()
        deadline_s = time.monotonic() + 30
        while True:
            with small.connect("127.0.0.2") as again:
                again.sendall(HEAD + LAST)
                if b" 200 " in everything(again):
                    break
            assert time.monotonic() < deadline_s


def refused(small: Fronted, source: str) -> bool:
    try:
        with small.connect(source) as connection:
            connection.sendall(HEAD + LAST)
            return not everything(connection)
    except ConnectionError:
        return True


def test_connections_of_a_trusted_proxy_are_not_counted(tmp_path: Path) -> None:
    with fronted(tmp_path, per_address=2, trusted_proxies=("127.0.0.2/32",)) as small:
        kept = [small.connect("127.0.0.2") for _ in range(9)]
        kept[-1].sendall(HEAD + LAST)
        assert b" 200 " in everything(kept[-1])
        for connection in kept:
            connection.close()


@pytest.mark.slow
def test_slow_senders_are_cut_off_before_any_work(behind: Fronted) -> None:
    """A byte a second, in the head and in a JSON body; a connection that says nothing: all are ended in time."""
    login = b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    begun_s = time.monotonic()

    def drip(start: bytes) -> tuple[bytes, float]:
        with behind.connect() as connection:
            stopped = threading.Event()

            def send() -> None:
                connection.sendall(start)
                while start and not stopped.wait(1.0):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

            sender = threading.Thread(target=send)
            sender.start()
            received = everything(connection)
            stopped.set()
            sender.join()
            return received, time.monotonic() - begun_s

    with ThreadPoolExecutor(3) as pool:
        head, body, silent = pool.map(drip, (HEAD + b"X-Slow: ", login, b""))
    assert problem(body[0])[1]["code"] == "request-too-slow"
    for received, took_s in (head, body, silent):
        assert received.startswith(b"HTTP/1.1 408 ") or (received == b"" and took_s == silent[1])
        assert took_s < max(configuration.HEAD_S, configuration.SMALL_BODY_S) + 5
