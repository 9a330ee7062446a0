"""What a store is: named objects of any size in a folder or an S3 bucket, written whole or not at all.

The artifact store (:mod:`e2e3d.storage.store`) keeps results and photographs of the engine in it; the service keeps
uploads and results there, and writes photographs where the engine reads them.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Written:
    """What was written: its length and its SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class ObjectInfo:
    """An object of the store: its name, length, and when it was last written (UTC)."""

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
        """Value of ``Content-Disposition`` (RFC 6266): always a download, never a page of this site."""
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


class ObjectStore(Protocol):
    """Where objects lie; names are posix paths inside the store, and one that points outside is an InputError.

    All methods raise MachineError: ``store-unreachable``, ``store-denied``, ``store-missing``, ``disk-full``,
    ``no-permission``, ``read-failed`` or ``write-failed``.
    """

    @property
    def local(self) -> bool:
        """Whether objects are files of this machine: asking is cheap, and :meth:`load` maps them."""
        ...

    @property
    def presigner(self) -> Presigner | None:
        """None where everything has to pass through the service."""
        ...

    def size(self, name: str) -> int | None:
        """Length in bytes, None when there is no such object."""
        ...

    def sizes(self, names: Collection[str]) -> dict[str, int]:
        """Length in bytes of those of the objects that there are; many are asked for side by side."""
        ...

    def head(self, name: str, count: int) -> tuple[bytes, int]:
        """The first `count` bytes, or all if there are fewer, and the length. Raises FileNotFoundError."""
        ...

    def load(self, name: str) -> bytes | memoryview:
        """All bytes, in memory or mapped. Raises FileNotFoundError."""
        ...

    def view(self, name: str) -> memoryview:
        """All bytes, mapped: memory is bounded whatever the length. Raises FileNotFoundError."""
        ...

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to, but without, `end`, in blocks.

        Raises:
            FileNotFoundError: before the first block.
        """
        ...

    def put(self, name: str, *parts: bytes | memoryview) -> None:
        """Write an object, of one or several parts that are in memory or mapped, whole or not at all."""
        ...

    def write(self, name: str, chunks: Iterable[bytes]) -> Written:
        """Write an object from a stream, whole or not at all; an error of `chunks` leaves nothing behind."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object if it is there."""
        ...

    def delete_folder(self, prefix: str) -> None:
        """Remove everything below ``prefix/``."""
        ...

    def find(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects, or those below ``prefix/``, in no certain order."""
        ...

    def sweep(self, before: datetime.datetime | None = None) -> int:
        """Remove what writers left half-written: those of this machine that died, and all that began before `before`.

        Returns:
            how many went.
        """
        ...
