"""Processes that fill the cache of compiled kernels at the same time never get each other's machine code."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

from numba.core.caching import IndexDataCacheFile

from e2e3d.ops.numba_jit import save_unlocked

WRITERS, SIGNATURES = 6, 8
PATIENCE_S = 0.5  # a writer that waits for the lock never gets as far as the other waits for


def cache_file(folder: Path) -> IndexDataCacheFile:
    return IndexDataCacheFile(cache_path=str(folder), filename_base="kernel", source_stamp=1)


class Paused:
    """A text that, while it is written, says so and waits for something."""

    def __init__(self, text: str, reached: Event, go_on: Event) -> None:
        self.text, self.reached, self.go_on = text, reached, go_on

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        self.reached.set()
        self.go_on.wait(PATIENCE_S)
        return str, (self.text,)


def code_of_second(folder: Path, save: Callable[..., None]) -> str | None:
    """What is loaded for the second of two signatures, both of which were saved after one look at the empty index."""
    both_looked, first_in_index, second_saved = Event(), Event(), Event()

    def save_first() -> None:
        both_looked.wait(10)
        save(cache_file(folder), "first", Paused("code of first", first_in_index, second_saved))

    def save_second() -> None:
        save(cache_file(folder), Paused("second", both_looked, first_in_index), "code of second")
        second_saved.set()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(save_first), pool.submit(save_second)]:
            future.result()
    return cache_file(folder).load("second")


def test_a_signature_never_gets_the_code_of_another(tmp_path: Path) -> None:
    assert code_of_second(tmp_path, IndexDataCacheFile.save) == "code of second"


def test_numba_alone_gives_it_the_code_of_another(tmp_path: Path) -> None:
    """When this fails, Numba has mended its cache, and the lock here can go."""
    assert code_of_second(tmp_path, save_unlocked) == "code of first"


def test_no_signature_is_lost(tmp_path: Path) -> None:
    start = Barrier(WRITERS)

    def write(writer: int) -> None:
        file = cache_file(tmp_path)
        start.wait()
        for number in range(SIGNATURES):
            file.save((writer, number), f"code of {writer}, {number}")

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    keys = [(writer, number) for writer in range(WRITERS) for number in range(SIGNATURES)]
    assert all(cache_file(tmp_path).load(key) == f"code of {key[0]}, {key[1]}" for key in keys)


def test_all_kernels_are_compiled_with_the_lock() -> None:
    ops = Path(__file__).parents[2] / "e2e3d" / "ops"
    others = [
        file.name
        for file in ops.rglob("*.py")
        if file.name != "numba_jit.py" and "numba import njit" in file.read_text()
    ]
    assert not others
    assert not [file.name for file in ops.rglob("*.py") if "numba.njit" in file.read_text()]
