"""Files of the store in a local folder: temporary file, fsync, rename."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import shutil
import socket
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from e2e3d.storage.files import BLOCK_BYTES, FileInfo, Written, checked_name
from e2e3d.storage.objects import TEMPORARY, LocalObjects, readable, write_error

_INCOMING = "uploads/incoming"


class LocalFiles:
    """See :class:`~e2e3d.storage.files.Files`; all that is written and read passes through the service."""

    presigner = None

    def __init__(self, root: Path) -> None:
        self.root = root

    def size(self, name: str) -> int | None:
        """See :class:`~e2e3d.storage.files.Files`."""
        return LocalObjects(self.root).size(checked_name(name))

    def sizes(self, names: Collection[str]) -> dict[str, int]:
        """See :class:`~e2e3d.storage.files.Files`."""
        return {name: size for name in names if (size := self.size(name)) is not None}

    def write(self, name: str, chunks: Iterable[bytes]) -> Written:
        """See :class:`~e2e3d.storage.files.Files`."""
        path = self._path(name)
        temporary = self.root / _INCOMING / f"{TEMPORARY}.{socket.gethostname()}.{os.getpid()}.{os.urandom(4).hex()}"
        try:
            return self._write(path, temporary, chunks)
        except BaseException as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            if isinstance(error, OSError):
                raise write_error(path, error) from error
            raise

    def _write(self, path: Path, temporary: Path, chunks: Iterable[bytes]) -> Written:
        digest, count = hashlib.sha256(), 0
        temporary.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                count += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)
        return Written(count, digest.hexdigest())

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See :class:`~e2e3d.storage.files.Files`."""
        with readable(self._path(name)):
            file = self._path(name).open("rb")
        return _blocks(file, start, end)

    def delete(self, name: str) -> None:
        """See :class:`~e2e3d.storage.files.Files`."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            raise write_error(self._path(name), error) from error

    def delete_folder(self, prefix: str) -> None:
        """See :class:`~e2e3d.storage.files.Files`."""
        try:
            shutil.rmtree(self._path(prefix))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise write_error(self._path(prefix), error) from error

    def find(self, prefix: str = "") -> Iterator[FileInfo]:
        """See :class:`~e2e3d.storage.files.Files`."""
        for folder, _, names in os.walk(self._path(prefix) if prefix else self.root):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):  # it may go while the folder is read
                    if not name.startswith(TEMPORARY):
                        found = path.stat()
                        modified = datetime.datetime.fromtimestamp(found.st_mtime, datetime.UTC)
                        yield FileInfo(path.relative_to(self.root).as_posix(), found.st_size, modified)

    def sweep(self, before: datetime.datetime) -> int:
        """See :class:`~e2e3d.storage.files.Files`; of other machines only what is older than `before`."""
        removed = LocalObjects(self.root).sweep()
        for path in self.root.glob(f"{_INCOMING}/{TEMPORARY}.*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()
                    removed += 1
        return removed

    def _path(self, name: str) -> Path:
        return self.root / checked_name(name)


def _blocks(file: BinaryIO, start: int, end: int | None) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = None if end is None else max(0, end - start)
        while block := file.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left)):
            left = None if left is None else left - len(block)
            yield block
