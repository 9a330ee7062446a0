"""Files of any size in the store's folder or bucket: written and read as streams, shared by addresses that expire.

The artifact store (:mod:`e2e3d.storage.store`) keeps records that fit into memory. Uploads, photographs and results
pass through here in small blocks. Both see the same store: a photograph written here as :func:`blob_name` is the blob
that the engine reads.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import InputError, SettingsError
from e2e3d.storage.store import object_name

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Written:
    """What was written: its length and its SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class FileInfo:
    """A file of the store: its name, length, and when it was last written (UTC)."""

    name: str
    bytes: int
    modified_at: datetime.datetime


@dataclass(frozen=True)
class ContentDisposition:
    """How a browser is to treat a download: the name to save it under, and what it is."""

    file_name: str
    media_type: str

    @property
    def header(self) -> str:
        """Value of ``Content-ContentDisposition`` (RFC 6266): always a download, never a page of this site."""
        plain = re.sub(r"[^A-Za-z0-9 ._()+-]", "_", self.file_name)
        return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.file_name, safe='')}"


class Presigner(Protocol):
    """Lets clients write and read an S3 bucket without the service in between."""

    def get(self, name: str, expires_s: int, disposition: ContentDisposition) -> str:
        """Address that anybody may download the file from until it expires."""
        ...

    def start(self, name: str) -> str:
        """Begin an upload in parts; returns its id."""
        ...

    def part(self, name: str, multipart_id: str, number: int, expires_s: int) -> str:
        """Address to PUT part `number` (from 1) to."""
        ...

    def finish(self, name: str, multipart_id: str, etags: list[str]) -> int:
        """Join the parts, given the ETag of each in order; returns the length in bytes.

        Raises:
            InputError: ``parts-wrong`` when the store does not know them, or no upload of this id.
        """
        ...

    def abort(self, name: str, multipart_id: str) -> None:
        """Throw the parts away; nothing happens when there are none."""
        ...


class Files(Protocol):
    """Where big files lie; names are posix paths inside the store."""

    @property
    def presigner(self) -> Presigner | None:
        """None where everything has to pass through the service."""
        ...

    def size(self, name: str) -> int | None:
        """Length in bytes, None when there is no such file."""
        ...

    def sizes(self, names: Collection[str]) -> dict[str, int]:
        """Length in bytes of those of the files that there are; many are asked for side by side."""
        ...

    def write(self, name: str, chunks: Iterable[bytes]) -> Written:
        """Write a file so that it appears whole or not at all; an error of `chunks` leaves nothing behind.

        Raises:
            MachineError: ``disk-full``, ``no-permission``, ``write-failed``, ``store-unreachable``, ``store-denied``.
        """
        ...

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to, but without, `end`, in blocks.

        Raises:
            FileNotFoundError: before the first block.
            MachineError: ``store-unreachable``, ``store-denied``, ``no-permission``.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove a file if it is there."""
        ...

    def delete_folder(self, prefix: str) -> None:
        """Remove everything below ``prefix/``."""
        ...

    def find(self, prefix: str = "") -> Iterator[FileInfo]:
        """All files, or those below ``prefix/``, in no certain order."""
        ...

    def sweep(self, before: datetime.datetime) -> int:
        """Remove what writers that died before then left half-written; returns how many."""
        ...


def blob_name(sha256: str) -> str:
    """Where the engine looks for the bytes with this SHA-256."""
    return object_name(f"blob/{sha256}")


def open_files(url: str, options: S3Options | None = None) -> Files:
    """The files of a store: a folder, a ``file://`` URL or ``s3://bucket/prefix``.

    Raises:
        SettingsError: ``store-unknown`` for anything else.
        MachineError: ``store-denied`` or ``store-unreachable``.
    """
    from e2e3d.storage.local_files import LocalFiles
    from e2e3d.storage.s3_files import S3Files

    if url.startswith("s3://"):
        return S3Files(url.rstrip("/"), options or S3Options())
    if "://" in url and not url.startswith("file://"):
        raise SettingsError(
            "store-unknown", f"{url} cannot keep the service's files.", "Set E2E3D_STORE to a folder or s3://."
        )
    return LocalFiles(Path(url.removeprefix("file://")).expanduser().absolute())


def checked_name(name: str) -> str:
    """`name`, if it stays inside the store.

    Raises:
        InputError: ``unsafe-name``.
    """
    if not name or name.startswith("/") or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise InputError("unsafe-name", f"{name!r} points outside of the store.", "Use names without .. and //.")
    return name
