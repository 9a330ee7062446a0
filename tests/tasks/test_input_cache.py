"""What a worker reads from the store: once, side by side, within bounds."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e3d.errors import MachineError
from e2e3d.tasks.input_cache import InputCache


def test_threads_read_different_inputs_side_by_side() -> None:
    cache = InputCache(1000)
    together = threading.Barrier(4, timeout=20)

    def read(name: int) -> bytes:
        together.wait()  # breaks unless all four are reading at once
        return bytes([name])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda name: cache.get(name, lambda: read(name)), range(4))) == [
            b"\0",
            b"\1",
            b"\2",
            b"\3",
        ]


def test_threads_that_want_the_same_input_read_it_once() -> None:
    cache = InputCache(1000)
    reads = []
    go_on = threading.Event()

    def read() -> bytes:
        reads.append(1)
        assert go_on.wait(20)
        return b"value"

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(cache.get, "name", read) for _ in range(4)]
        go_on.set()
        assert [one.result() for one in asked] == [b"value"] * 4
    assert cache.get("name", read) == b"value"
    assert len(reads) == 1


def test_an_error_reaches_its_caller_and_the_next_one_reads_again() -> None:
    cache = InputCache(1000)

    def fail() -> bytes:
        raise MachineError("artifact-missing", "It is not there.", "")

    with pytest.raises(MachineError):
        cache.get("name", fail)
    assert cache.get("name", lambda: b"now") == b"now"


def test_the_oldest_go_and_large_ones_are_not_kept() -> None:
    cache = InputCache(100)
    reads = []

    def get(name: str, size: int) -> bytes:
        def read() -> bytes:
            reads.append(name)
            return bytes(size)

        return cache.get(name, read)

    for name, size in (("a", 40), ("b", 40), ("a", 40), ("c", 40), ("large", 60), ("large", 60)):
        assert len(get(name, size)) == size
    assert reads == ["a", "b", "c", "large", "large"]
    get("a", 40)
    get("b", 40)
    assert reads[5:] == ["b"]
