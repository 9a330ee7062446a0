"""Files that appear complete or not at all, whatever happens to the process that writes them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from e2e3d.storage.failures import machine_errors


@contextmanager
def atomic_file(path: Path, partial: Path | None = None) -> Iterator[BinaryIO]:
    """Open a new file that replaces `path` when the block ends without an exception; folders are made.

    Args:
        path: of the file.
        partial: where it lies until then, on the same disk; it is flushed to the disk before it replaces `path`.
            None = beside `path`, and not flushed, for files that a run would write again.

    Raises:
        MachineError: ``disk-full``, ``no-permission`` or ``write-failed``.
    """
    waiting = partial or path.with_name(f".{path.name}.{os.getpid()}.partial")
    with machine_errors(path):
        waiting.parent.mkdir(parents=True, exist_ok=True)
        try:
            with waiting.open("wb+") as file:
                yield file
                if partial is not None:
                    file.flush()
                    os.fsync(file.fileno())
            path.parent.mkdir(parents=True, exist_ok=True)
            waiting.replace(path)
        finally:
            with suppress(OSError):
                waiting.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write one small file atomically."""
    with atomic_file(path) as file:
        file.write(data)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
