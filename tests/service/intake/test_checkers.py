"""Photographs are looked at by processes that may die of them, and users take turns."""

import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from e2e3d.service.intake import checkers as module
from e2e3d.service.intake.checkers import PhotoCheckers
from e2e3d.service.intake.turns import FairSlots
from tests.pictures import encode, textured

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")


@pytest.fixture
def checkers() -> Iterator[PhotoCheckers]:
    made = PhotoCheckers(2)
    yield made
    made.close()


def process_of(checkers: PhotoCheckers) -> psutil.Process:
    """The one that works or waits for this test's pool."""
    living = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    found = [child for child in living if "e2e3d.service.intake.check_process" in child.cmdline()]
    return max(found, key=lambda child: child.create_time())


def png(width: int, height: int, rows: bytes, depth: int = 8) -> bytes:
    """A grey PNG whose compressed rows are `rows`."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_one_process_looks_at_many_and_says_what_it_sees(checkers: PhotoCheckers) -> None:
    seen = [checkers.check("ada", f"{seed}.jpg", encode(textured(360, 480, seed)), str(seed)) for seed in range(3)]
    assert [(facts.sha256, facts.width_px, facts.rejected) for facts in seen] == [
        (str(seed), 480, False) for seed in range(3)
    ]
    broken = checkers.check("ada", "a.jpg", encode(textured(360, 480))[:-3000], "x")
    assert [finding.code for finding in broken.findings] == ["photo-unreadable"]
    assert len({process_of(checkers).pid}) == 1


def test_a_photograph_that_its_decoder_dies_of_is_refused_and_the_next_is_not(
    checkers: PhotoCheckers, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = encode(textured(360, 480))
    assert not checkers.check("ada", "a.jpg", good, "a").rejected
    exchange = module._exchange

    def crashing(process, request, data):
        os.kill(process.pid, signal.SIGSEGV)
        return exchange(process, request, data)

    monkeypatch.setattr(module, "_exchange", crashing)
    facts = checkers.check("ada", "b.jpg", good, "b")
    assert [finding.code for finding in facts.findings] == ["photo-unreadable"]
    assert "crashed" in facts.findings[0].message
    monkeypatch.undo()
    assert not checkers.check("ada", "c.jpg", good, "c").rejected


def test_a_process_that_ended_for_another_reason_is_replaced(checkers: PhotoCheckers) -> None:
    good = encode(textured(360, 480))
    checkers.check("ada", "a.jpg", good, "a")
    process_of(checkers).kill()
    assert not checkers.check("ada", "b.jpg", good, "b").rejected


def test_a_photograph_that_takes_too_long_is_refused() -> None:
    checkers = PhotoCheckers(1, wall_s=0.01)
    facts = checkers.check("ada", "a.jpg", encode(textured(360, 480)), "a")
    checkers.close()
    assert [finding.code for finding in facts.findings] == ["photo-too-large"]
    assert facts.rejected


def test_cpu_time_is_limited_by_the_kernel() -> None:
    """Also when nobody is left who would end the process."""
    code = "from e2e3d.service.intake import check_process as p\np.allow_cpu(1)\nwhile True: pass\n"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=300).returncode == -signal.SIGXCPU


def test_memory_is_limited_and_what_needs_more_is_refused(tmp_path: Path) -> None:
    """25 megapixels of 16 bits, packed into 50 kB, where a process may have 100 MB."""
    width, height = 5000, 5000
    (tmp_path / "a.png").write_bytes(png(width, height, zlib.compress(bytes((1 + 2 * width) * height)), depth=16))
    code = (
        "import sys\n"
        "from e2e3d.service.intake import check_process as p\n"
        "p.MEMORY_BYTES = int(sys.argv[2])\n"
        "p.limit_memory(p.MEMORY_BYTES)\n"
        "print([finding.code for finding in p._look('a.png', open(sys.argv[1], 'rb').read(), 's').findings])\n"
    )
    for megabytes, found in ((100, "photo-"), (1000, "too-dark")):
        command = [sys.executable, "-c", code, str(tmp_path / "a.png"), str(megabytes << 20)]
        done = subprocess.run(command, check=True, timeout=300, capture_output=True, text=True)
        assert found in done.stdout


def test_limits_stay_within_those_of_the_service() -> None:
    code = (
        "import resource\n"
        "from e2e3d.service.intake import check_process as p\n"
        "outer = 3 << 30\n"
        "resource.setrlimit(resource.RLIMIT_AS, (outer, outer))\n"
        "p.MEMORY_BYTES = 8 << 30\n"
        "p.limit_memory(p.MEMORY_BYTES)\n"
        "assert resource.getrlimit(resource.RLIMIT_AS) == (outer, outer)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=300).returncode == 0


def test_turns_let_nobody_wait_for_the_queue_of_another() -> None:
    turns = FairSlots(2)
    order: list[str] = []
    release = threading.Semaphore(0)

    def work(owner: str) -> None:
        with turns.one(owner):
            order.append(owner)
            release.acquire()

    def begin(owner: str, count: int) -> None:
        for _ in range(count):
            threading.Thread(target=work, args=(owner,), daemon=True).start()
            time.sleep(0.01)

    def wait_for(count: int) -> None:
        deadline_s = time.monotonic() + 60
        while len(order) < count:
            assert time.monotonic() < deadline_s, order
            time.sleep(0.001)

    begin("eve", 20)
    wait_for(1)
    assert order == ["eve"]  # the other place is kept for others
    begin("ada", 1)
    wait_for(2)
    assert order == ["eve", "ada"]
    begin("bob", 2)
    begin("cy", 1)
    for count in (3, 4):
        release.release()
        wait_for(count)
    assert set(order[2:]) == {"bob", "cy"}  # before any more of eve's, which came first
    for _ in range(30):
        release.release()
    wait_for(24)
