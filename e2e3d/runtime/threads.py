"""Rows of one array, or several photographs, on threads: compiled kernels release the interpreter while they run.

Plain threads rather than numba's: no threading layer to depend on, safe in forked and in threaded processes, and
half the compile time.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_BLOCKS_PER_THREAD = 4


def core_count() -> int:
    """Cores this process may use: CPU affinity and the container's quota are respected."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, math.floor(int(quota) / int(period))))


def import_ahead(module: str) -> None:
    """Import a large module in the background, while the caller waits for something else before needing it.

    An error is raised again where the caller imports the module itself.
    """

    def load() -> None:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)

    threading.Thread(target=load, name=f"import {module}").start()


_threads = core_count()


def set_num_threads(threads: int) -> None:
    """Let :func:`in_blocks` use so many threads in this process, where the caller does not say; first all cores."""
    global _threads
    _threads = max(1, threads)


def in_blocks(work: Callable[[int, int], object], count: int, threads: int | None = None) -> None:
    """Call ``work(first, end)`` for ranges that cover `count` rows, on `threads` threads.

    Rows must not depend on one another: the result does not depend on the number of threads.
    """
    threads = _threads if threads is None else threads
    if threads <= 1 or count <= 1:
        work(0, count)
        return
    edges = np.linspace(0, count, min(count, threads * _BLOCKS_PER_THREAD) + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))


def in_order(work: Callable[[ItemT], ResultT], items: Iterable[ItemT], ahead: int) -> Iterator[ResultT]:
    """``map(work, items)``, with up to `ahead` results computed side by side while the caller uses the one before.

    On one thread nothing is computed ahead. An error of `work` is raised where its result would have been.
    """
    if _threads <= 1:
        yield from map(work, items)
        return
    rest = iter(items)
    with ThreadPoolExecutor(ahead) as pool:
        begun = deque(pool.submit(work, item) for item in islice(rest, ahead))
        while begun:
            result = begun.popleft().result()
            begun.extend(pool.submit(work, item) for item in islice(rest, 1))
            yield result
