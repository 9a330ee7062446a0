"""A store in an S3 bucket: ranged reads, and multipart writes of what is long.

botocore sends a CRC-32 with everything written and the server compares it.
"""

from __future__ import annotations

import datetime
import hashlib
import tempfile
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.storage.failures import machine_errors
from e2e3d.storage.local_objects import mapped
from e2e3d.storage.names import checked_name
from e2e3d.storage.objects import BLOCK_BYTES, ObjectInfo, Written
from e2e3d.storage.s3_bucket import S3Bucket
from e2e3d.storage.s3_presigner import S3Presigner

PART_BYTES = 8 << 20
_WHOLE_BYTES = 64 << 20
"""Up to so many are put by one request, which takes a second copy of them in memory."""
_READ_BYTES = 2 << 20
_ASKED_AT_ONCE = 16
_PARTS_OF_A_SIZE = 1000
"""Parts double in size after so many, since S3 takes 10,000 in all: 8 TB fit, and memory stays at one part."""


class S3Objects:
    """See :class:`~e2e3d.storage.objects.ObjectStore`."""

    local = False

    def __init__(self, url: str, options: S3Options) -> None:
        self.bucket = S3Bucket(url, options)
        self.presigner = S3Presigner(self.bucket)

    def size(self, name: str) -> int | None:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        try:
            return int(self.bucket.call("head_object", Key=self.bucket.key(name))["ContentLength"])
        except FileNotFoundError:
            return None

    def sizes(self, names: Collection[str]) -> dict[str, int]:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            found = zip(names, pool.map(self.size, names), strict=True)
            return {name: size for name, size in found if size is not None}

    def head(self, name: str, count: int) -> tuple[bytes, int]:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        return self.bucket.head(self.bucket.key(name), count)

    def load(self, name: str) -> bytes | memoryview:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        return self.bucket.get(self.bucket.key(name))

    def view(self, name: str) -> memoryview:
        """See :class:`~e2e3d.storage.objects.ObjectStore`; a copy in the temporary folder that goes with the view."""
        blocks = self.read(name)
        with machine_errors(Path(tempfile.gettempdir())), tempfile.TemporaryFile(prefix="e2e3d-object-") as copy:
            copy.writelines(blocks)
            copy.flush()
            return mapped(copy)

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        length = self.size(name)
        if length is None:
            raise FileNotFoundError(name)
        return self._blocks(self.bucket.key(name), start, length if end is None else min(end, length))

    def _blocks(self, key: str, start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, _READ_BYTES):
            yield self.bucket.get(key, at, min(at + _READ_BYTES, end))

    def put(self, name: str, *parts: bytes | memoryview) -> None:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        if sum(map(len, parts)) <= _WHOLE_BYTES:
            self.bucket.put(self.bucket.key(name), b"".join(parts))
        else:
            self.write(name, _slices(parts))

    def write(self, name: str, chunks: Iterable[bytes]) -> Written:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        digest, count, key = hashlib.sha256(), 0, self.bucket.key(name)
        multipart_id: str | None = None
        etags: list[str] = []
        try:
            for block in _gathered(chunks):
                digest.update(block)
                count += len(block)
                if multipart_id is None and len(block) < PART_BYTES:
                    self.bucket.put(key, block)
                    break
                multipart_id = multipart_id or self.bucket.start(key)
                part = {"UploadId": multipart_id, "PartNumber": len(etags) + 1}
                etags.append(self.bucket.call("upload_part", Key=key, Body=block, **part)["ETag"])
            if multipart_id is not None:
                self.bucket.finish(key, multipart_id, etags)
        except BaseException:
            if multipart_id is not None:
                self.bucket.abort(key, multipart_id)
            raise
        return Written(count, digest.hexdigest())

    def delete(self, name: str) -> None:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        self.bucket.call("delete_object", Key=self.bucket.key(name))

    def delete_folder(self, prefix: str) -> None:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        for info in list(self.find(checked_name(prefix))):
            self.delete(info.name)

    def find(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See :class:`~e2e3d.storage.objects.ObjectStore`."""
        arguments = {"Prefix": f"{self.bucket.key(prefix)}/" if prefix else self.bucket.prefix}
        for page in self._pages("list_objects_v2", {"ContinuationToken": "NextContinuationToken"}, arguments):
            for entry in page.get("Contents", ()):
                modified = entry["LastModified"].astimezone(datetime.UTC)
                yield ObjectInfo(self.bucket.name(entry["Key"]), int(entry["Size"]), modified)

    def sweep(self, before: datetime.datetime | None = None) -> int:
        """See :class:`~e2e3d.storage.objects.ObjectStore`; S3 does not know which writer died."""
        if before is None:
            return 0
        markers = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
        pages = self._pages("list_multipart_uploads", markers, {"Prefix": self.bucket.prefix})
        old = [upload for page in pages for upload in page.get("Uploads", ()) if upload["Initiated"] < before]
        for upload in old:
            self.bucket.abort(upload["Key"], upload["UploadId"])
        return len(old)

    def _pages(self, method: str, markers: dict[str, str], arguments: dict[str, str]) -> Iterator[dict[str, Any]]:
        """All pages of a listing; `markers` says which argument takes which field of the page before, if it has it."""
        page: dict[str, Any] = self.bucket.call(method, **arguments)
        yield page
        while page.get("IsTruncated"):
            place = {argument: page[field] for argument, field in markers.items() if page.get(field)}
            page = self.bucket.call(method, **arguments, **place)
            yield page


def _slices(parts: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """Copies of small pieces of `parts`, which may not fit into memory twice."""
    for part in parts:
        for start in range(0, len(part), BLOCK_BYTES):
            yield bytes(part[start : start + BLOCK_BYTES])


def _gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks of the size of a part, only the last one smaller; one empty block when there is nothing at all."""
    waiting, count = bytearray(), 0
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= (size := PART_BYTES << (count // _PARTS_OF_A_SIZE)):
            with memoryview(waiting) as view:
                block = bytes(view[:size])
            del waiting[:size]
            yield block
            count += 1
    if waiting or count == 0:
        block = bytes(waiting)
        waiting.clear()
        yield block
