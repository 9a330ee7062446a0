"""nginx with what takes long: a gigabyte either way without a copy of it, and clients that are slow on purpose."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.cluster_files.front import Front
from tests.cluster_files.upstream import PIECE, Upstream

pytestmark = [pytest.mark.slow, pytest.mark.operations, pytest.mark.timeout(600)]
PIECES = 1024
GB = PIECES * len(PIECE)
HEADER_S, IDLE_S = 10.0, 30.0
"""As nginx.conf.template says: for a whole head, and between two requests."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    started = Upstream()
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def front(upstream: Upstream) -> Iterator[Front]:
    made = Front(f"127.0.0.1:{upstream.port}", CONNECTIONS="1000")
    made.start()
    yield made
    made.stop()
    shutil.rmtree(made.folder)


def memory_bytes(front: Front) -> int:
    """Of all its processes, what they share counted once."""
    master = psutil.Process(int((front.folder / "nginx" / "nginx.pid").read_text()))
    return sum(int(each.memory_full_info().pss) for each in [master, *master.children()])


def kept_bytes(front: Front) -> int:
    """What lies in its folders: bodies that it has put aside."""
    total = 0
    for path in (front.folder / "nginx").rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def test_a_gigabyte_goes_through_without_a_copy(front: Front, upstream: Upstream) -> None:
    before, kept, most = memory_bytes(front), kept_bytes(front), [0, 0]

    def look() -> None:
        most[0] = max(most[0], memory_bytes(front) - before)
        most[1] = max(most[1], kept_bytes(front) - kept)

    def pieces() -> Iterator[bytes]:
        for number in range(PIECES):
            if number % 64 == 0:
                look()
            yield PIECE

    with front.client() as client:
        began_s = time.monotonic()
        sent = client.patch("/v1/uploads/u", content=pieces(), headers={"Content-Length": str(GB)}, timeout=300.0)
        sent_s, began_s = time.monotonic() - began_s, time.monotonic()
        got = 0
        with client.stream("GET", f"/v1/jobs/j/results/big?pieces={PIECES}", timeout=300.0) as answer:
            for number, piece in enumerate(answer.iter_bytes(len(PIECE))):
                got += len(piece)
                if number % 64 == 0:
                    look()
        got_s = time.monotonic() - began_s
    assert (sent.json()["bytes"], got) == (GB, GB)
    print(f"sent in {sent_s:.1f} s, got in {got_s:.1f} s; nginx grew by {most[0] / 1e6:.1f} MB, kept {most[1]} bytes")
    assert most[0] < 20e6
    assert most[1] < 1e6


def ended_after(front: Front, send: Callable[[int], bytes], limit_s: float) -> float:
    """Seconds until nginx ends a connection to which `send` gives a piece each second."""
    began_s = time.monotonic()
    with front.connect() as connection:
        connection.settimeout(1.0)
        for number in range(int(limit_s)):
            with contextlib.suppress(TimeoutError):
                connection.sendall(send(number))
                connection.recv(4096)  # an answer such as 408, or the end
                return time.monotonic() - began_s
    raise AssertionError(f"it still waits after {limit_s:.0f} s")


def test_clients_that_are_slow_on_purpose_are_let_go_and_hold_up_nobody(front: Front) -> None:
    first = b"GET /v1/jobs HTTP/1.1\r\nHost: h\r\n"
    with contextlib.ExitStack() as held:
        for _ in range(100):
            held.enter_context(front.connect()).sendall(first)
        with front.client() as client:
            began_s = time.monotonic()
            assert client.get("/v1/jobs").status_code == 200
            assert time.monotonic() - began_s < 5.0
    took_s = ended_after(front, lambda number: first if number == 0 else b"X-%d: 1\r\n" % number, 2 * HEADER_S)
    assert HEADER_S - 1 < took_s < HEADER_S + 5


def test_quiet_connections_are_let_go(front: Front) -> None:
    with front.connect() as connection:
        connection.sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: h\r\n\r\n")
        connection.settimeout(2 * IDLE_S)
        answered_s = None
        while piece := connection.recv(4096):
            answered_s = answered_s or time.monotonic()
            assert b"HTTP/1.1 5" not in piece
        assert answered_s is not None
        assert IDLE_S - 6 < time.monotonic() - answered_s < IDLE_S + 5  # 25 s for what is passed on
