"""Numba's njit, with a cache that several processes may fill at the same time.

Numba keeps an index for each function, from signatures to numbered files of machine code. To save a signature it reads
the index, takes the next free number, and writes index and file, without a lock. Two processes that compile different
signatures of one function at the same time take the same number: the index may then name one signature while the file
holds the machine code of the other, which later processes run without an error. Here one process saves at a time.

Written for Numba 0.60 to 0.68: `IndexDataCacheFile` is documented in its sources, but is no public interface.
"""

from __future__ import annotations

import fcntl
import tempfile
from pathlib import Path
from typing import Any

import numba
from numba import njit
from numba.core.caching import IndexDataCacheFile

__all__ = ["njit", "save_unlocked"]

save_unlocked = IndexDataCacheFile.save


def _save(self: Any, key: Any, data: Any) -> None:
    folder = Path(numba.config.CACHE_DIR or tempfile.gettempdir())
    with (folder / "saving.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed, or its process ends
        save_unlocked(self, key, data)


IndexDataCacheFile.save = _save
