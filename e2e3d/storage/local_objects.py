"""A store in a local folder: an object is a file."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import mmap
import os
import shutil
import socket
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from e2e3d.storage.atomic_files import atomic_file
from e2e3d.storage.failures import machine_errors, readable
from e2e3d.storage.names import checked_name
from e2e3d.storage.objects import BLOCK_BYTES, ObjectInfo, Written

_PARTIAL = ".tmp"
_INCOMING = "uploads/incoming"


class LocalObjects:
    """See :class:`~e2e3d.storage.objects.ObjectStore`; reads are memory maps, all passes through this machine."""

    local = True
    presigner = None

    def __init__(self, root: Path) -> None:
        self.root = root

    def size(self, name: str) -> int | None:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        with readable(self._path(name)):
            try:
                return self._path(name).stat().st_size
            except FileNotFoundError:
                return None

    def sizes(self, names: Collection[str]) -> dict[str, int]:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        return {name: size for name in names if (size := self.size(name)) is not None}

    def head(self, name: str, count: int) -> tuple[bytes, int]:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        with readable(self._path(name)), self._path(name).open("rb") as file:
            return file.read(count), os.fstat(file.fileno()).st_size

    def load(self, name: str) -> bytes | memoryview:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        return self.view(name)

    def view(self, name: str) -> memoryview:
        """See :class:`~e2e3d.storage.objects.ObjectStore`; the map stays open as long as anything refers to it."""
        with readable(self._path(name)), self._path(name).open("rb") as file:
            return mapped(file)

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        with readable(self._path(name)):
            file = self._path(name).open("rb")
        return _blocks(file, start, end)

    def put(self, name: str, *parts: bytes | memoryview) -> None:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        with self._new(name) as file:
            file.writelines(parts)

    def write(self, name: str, chunks: Iterable[bytes]) -> Written:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        digest, count = hashlib.sha256(), 0
        with self._new(name) as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                count += len(chunk)
        return Written(count, digest.hexdigest())

    def delete(self, name: str) -> None:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        with machine_errors(self._path(name)):
            self._path(name).unlink(missing_ok=True)

    def delete_folder(self, prefix: str) -> None:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        with machine_errors(self._path(prefix)), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._path(prefix))

    def find(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        for folder, _, names in os.walk(self._path(prefix) if prefix else self.root):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):  # it may go while the folder is read
                    if not name.startswith(_PARTIAL):
                        found = path.stat()
                        modified = datetime.datetime.fromtimestamp(found.st_mtime, datetime.UTC)
                        yield ObjectInfo(path.relative_to(self.root).as_posix(), found.st_size, modified)

    def sweep(self, before: datetime.datetime | None = None) -> int:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        removed = 0
        for path in self.root.glob(f"{_INCOMING}/{_PARTIAL}.*"):
            with contextlib.suppress(FileNotFoundError):
                if _writer_died(path) or (before is not None and path.stat().st_mtime < before.timestamp()):
                    path.unlink()
                    removed += 1
        return removed

    def _path(self, name: str) -> Path:
        return self.root / checked_name(name)

    def _new(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file that becomes the object when it is complete and on the disk."""
        partial = f"{_PARTIAL}.{socket.gethostname()}.{os.getpid()}.{os.urandom(8).hex()}"
        return atomic_file(self._path(name), self.root / _INCOMING / partial)


def mapped(file: BinaryIO) -> memoryview:
    """The bytes of an open file, mapped; it may be closed and removed while they are in use."""
    if os.fstat(file.fileno()).st_size == 0:
        return memoryview(b"")
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _writer_died(partial: Path) -> bool:
    host, pid, _ = partial.name.removeprefix(f"{_PARTIAL}.").rsplit(".", 2)
    return host == socket.gethostname() and not Path(f"/proc/{pid}").exists()


def _blocks(file: BinaryIO, start: int, end: int | None) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = None if end is None else max(0, end - start)
        while block := file.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left)):
            left = None if left is None else left - len(block)
            yield block
