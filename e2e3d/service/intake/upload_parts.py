"""Uploads lie in the store as the pieces in which they arrived, so any replica can go on with them."""

from __future__ import annotations

import bisect
import io
import itertools
import secrets
from collections.abc import Iterator
from typing import BinaryIO, cast

from e2e3d.service.uploads.records import UploadPart, UploadRecord
from e2e3d.storage.objects import ObjectStore

PART_BYTES = 8 << 20
_BLOCK_BYTES = 1 << 20


def upload_folder(upload_id: str) -> str:
    """Where the pieces of an upload lie."""
    return f"uploads/{upload_id}"


def whole_name(upload_id: str) -> str:
    """Where S3 puts an upload that its client sent there in parts."""
    return f"{upload_folder(upload_id)}/whole"


def remove_parts(files: ObjectStore, upload: UploadRecord) -> None:
    """Throw away what has arrived of an upload."""
    if upload.s3_upload_id is not None and files.presigner is not None:
        files.presigner.abort(whole_name(upload.id), upload.s3_upload_id)
    files.delete_folder(upload_folder(upload.id))


class PartWriter:
    """Gathers what arrives of an upload into pieces; memory is bounded by one piece.

    Attributes:
        offset_bytes: where the next piece begins.
    """

    def __init__(self, files: ObjectStore, upload_id: str, offset_bytes: int) -> None:
        self._files = files
        self._upload_id = upload_id
        self._waiting = bytearray()
        self.offset_bytes = offset_bytes

    def add(self, chunk: bytes) -> bool:
        """Keep a chunk; True when there is enough for a piece, and :meth:`flush` should be called."""
        self._waiting += chunk
        return len(self._waiting) >= PART_BYTES

    def flush(self) -> UploadPart | None:
        """Write what is waiting; None when that is nothing. Two writers at one offset do not disturb each other."""
        if not self._waiting:
            return None
        name = f"{upload_folder(self._upload_id)}/{self.offset_bytes:015d}-{secrets.token_hex(4)}"
        data = bytes(self._waiting)
        self._waiting.clear()
        written = self._files.write(name, [data])
        self.offset_bytes += written.bytes
        return UploadPart(name, written.bytes)


def arrived(files: ObjectStore, upload: UploadRecord) -> Iterator[bytes]:
    """The bytes of an upload from its start."""
    return itertools.chain.from_iterable(files.read(part.name) for part in upload.parts)


def opened(files: ObjectStore, upload: UploadRecord) -> BinaryIO:
    """An upload as one file that can be read from any place; closing it is not needed."""
    return cast(BinaryIO, io.BufferedReader(_Parts(files, upload.parts), _BLOCK_BYTES))


class _Parts(io.RawIOBase):
    def __init__(self, files: ObjectStore, parts: tuple[UploadPart, ...]) -> None:
        self._files = files
        self._parts = parts
        self._starts = list(itertools.accumulate((part.bytes for part in parts), initial=0))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        if base + offset < 0:
            raise OSError("cannot seek before the start")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if self._at >= self._starts[-1]:
            return 0
        index = bisect.bisect_right(self._starts, self._at) - 1
        part, start = self._parts[index], self._at - self._starts[index]
        end = min(part.bytes, start + len(view))
        position = 0
        for block in self._files.read(part.name, start, end):
            view[position : position + len(block)] = block
            position += len(block)
        self._at += position
        return position
