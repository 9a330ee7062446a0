"""Result files: each one appears complete or not at all, and what the machine lacks becomes a clear error."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from e2e3d.storage.objects import write_error


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that replaces `path` when the block ends without an exception; folders are made.

    Raises:
        MachineError: ``disk-full``, ``no-permission`` or ``write-failed``.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with machine_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb+") as file:
                yield file
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def machine_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into a :class:`~e2e3d.errors.MachineError`."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write one small file atomically."""
    with atomic_file(path) as file:
        file.write(data)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
