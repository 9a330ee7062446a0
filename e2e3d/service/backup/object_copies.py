"""Copies objects from one store to another: only what is not there yet, and only what has the right bytes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from e2e3d.service.backup.records import NamedObject
from e2e3d.storage.objects import ObjectStore

_AT_ONCE = 8
_WAITING = 64


class _DamagedError(Exception):
    """The bytes that were read are not those that the database names."""


class ObjectCopies:
    """Copies objects and counts; an object has one content for ever, so one that is there with its length is right.

    Attributes:
        copied, copied_bytes: what was copied so far.
    """

    def __init__(self, source: ObjectStore, target: ObjectStore, progress: Callable[[int], None]) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._there = {info.name: info.bytes for info in target.find()}
        self._lock = threading.Lock()
        self.copied = 0
        self.copied_bytes = 0

    def copy(self, wanted: Iterable[NamedObject]) -> set[str]:
        """Copy those that are not there; returns the names of those that the source lacks, or has with other bytes.

        Raises:
            MachineError: of either store; what was copied stays.
        """
        lacking: set[str] = set()
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="copies") as pool:
            waiting: set[Future[str | None]] = set()
            try:
                for one in wanted:
                    if self._there.get(one.name) == one.bytes:
                        continue
                    waiting.add(pool.submit(self._copy_one, one))
                    if len(waiting) >= _WAITING:
                        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                        lacking |= _names(done)
                lacking |= _names(wait(waiting).done)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return lacking

    def _copy_one(self, one: NamedObject) -> str | None:
        try:
            self._target.write(one.name, _checked(self._source.read(one.name), one))
        except (FileNotFoundError, _DamagedError):
            return one.name
        with self._lock:
            self._there[one.name] = one.bytes
            self.copied += 1
            self.copied_bytes += one.bytes
            self._progress(self.copied)
        return None


def _names(done: Iterable[Future[str | None]]) -> set[str]:
    return {name for future in done if (name := future.result()) is not None}


def _checked(blocks: Iterator[bytes], wanted: NamedObject) -> Iterator[bytes]:
    """The same blocks; raises after the last one when they are not the object, so that nothing of it is kept."""
    digest, count = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        count += len(block)
        yield block
    if count != wanted.bytes or wanted.sha256 not in (None, digest.hexdigest()):
        raise _DamagedError(wanted.name)
