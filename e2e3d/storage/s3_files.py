"""Files of the store in an S3 bucket, through s3fs: multipart writes, ranged reads, presigned addresses.

s3fs repeats calls that fail in passing; botocore sends a CRC-32 with everything written and the server compares it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import InputError, MachineError
from e2e3d.storage.files import ContentDisposition, FileInfo, Written, checked_name
from e2e3d.storage.objects import reachable, remote_arguments

PART_BYTES = 8 << 20
_READ_BYTES = 2 << 20
_ASKED_AT_ONCE = 16
_PARTS_OF_A_SIZE = 1000
"""Parts double in size after so many, since S3 takes 10,000 in all: 8 TB fit, and memory stays at one part."""


class S3Files:
    """See :class:`~e2e3d.storage.files.Files`."""

    def __init__(self, url: str, options: S3Options) -> None:
        import fsspec

        self.url = url
        with reachable(url):
            self._s3, root = fsspec.core.url_to_fs(url, **remote_arguments(url, options))
        self._bucket, _, prefix = root.partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self.presigner = S3Presigner(self, options)

    def size(self, name: str) -> int | None:
        """See :class:`~e2e3d.storage.files.Files`."""
        with reachable(self.url):
            try:
                return int(self.call("head_object", Key=self.key(name))["ContentLength"])
            except FileNotFoundError:
                return None

    def sizes(self, names: Collection[str]) -> dict[str, int]:
        """See :class:`~e2e3d.storage.files.Files`."""
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            found = zip(names, pool.map(self.size, names), strict=True)
            return {name: size for name, size in found if size is not None}

    def write(self, name: str, chunks: Iterable[bytes]) -> Written:
        """See :class:`~e2e3d.storage.files.Files`."""
        digest, count, key = hashlib.sha256(), 0, self.key(name)
        multipart_id: str | None = None
        parts: list[dict[str, Any]] = []
        try:
            for block in _gathered(chunks):
                digest.update(block)
                count += len(block)
                with reachable(self.url):
                    if multipart_id is None and len(block) < PART_BYTES:
                        self._put(key, block)
                        break
                    multipart_id = multipart_id or self.call("create_multipart_upload", Key=key)["UploadId"]
                    arguments = {"Key": key, "UploadId": multipart_id, "PartNumber": len(parts) + 1}
                    answer = self.call("upload_part", Body=block, **arguments)
                    parts.append({"PartNumber": len(parts) + 1, "ETag": answer["ETag"]})
            if multipart_id is not None:
                with reachable(self.url):
                    self.complete(key, multipart_id, parts)
        except BaseException:
            if multipart_id is not None:
                self.presigner.abort(name, multipart_id)
            raise
        return Written(count, digest.hexdigest())

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See :class:`~e2e3d.storage.files.Files`."""
        length = self.size(name)
        if length is None:
            raise FileNotFoundError(name)
        return self._blocks(name, start, length if end is None else min(end, length))

    def _blocks(self, name: str, start: int, end: int) -> Iterator[bytes]:
        path = f"{self._bucket}/{self.key(name)}"
        for at in range(start, end, _READ_BYTES):
            with reachable(self.url):
                yield bytes(self._s3.cat_file(path, start=at, end=min(at + _READ_BYTES, end)))

    def delete(self, name: str) -> None:
        """See :class:`~e2e3d.storage.files.Files`."""
        with reachable(self.url):
            self.call("delete_object", Key=self.key(name))

    def delete_folder(self, prefix: str) -> None:
        """See :class:`~e2e3d.storage.files.Files`."""
        for info in list(self.find(checked_name(prefix))):
            self.delete(info.name)

    def find(self, prefix: str = "") -> Iterator[FileInfo]:
        """See :class:`~e2e3d.storage.files.Files`."""
        arguments: dict[str, Any] = {"Prefix": f"{self.key(prefix)}/" if prefix else self._prefix}
        while True:
            with reachable(self.url):
                page = self.call("list_objects_v2", **arguments)
            for entry in page.get("Contents", ()):
                name = entry["Key"].removeprefix(self._prefix)
                yield FileInfo(name, int(entry["Size"]), entry["LastModified"].astimezone(datetime.UTC))
            if not page.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def sweep(self, before: datetime.datetime) -> int:
        """See :class:`~e2e3d.storage.files.Files`."""
        with reachable(self.url):
            page = self.call("list_multipart_uploads", Prefix=self._prefix)
        old = [upload for upload in page.get("Uploads", ()) if upload["Initiated"] < before]
        for upload in old:
            self.presigner.abort(upload["Key"].removeprefix(self._prefix), upload["UploadId"])
        return len(old)

    def key(self, name: str) -> str:
        """The object's key in the bucket."""
        return self._prefix + checked_name(name)

    def call(self, method: str, **arguments: Any) -> Any:
        """Call S3 on this bucket; passing failures are repeated."""
        return self._s3.call_s3(method, Bucket=self._bucket, **arguments)

    def complete(self, key: str, multipart_id: str, parts: list[dict[str, Any]]) -> None:
        """Join parts into an object."""
        self.call("complete_multipart_upload", Key=key, UploadId=multipart_id, MultipartUpload={"Parts": parts})

    def _put(self, key: str, data: bytes) -> None:
        try:
            self.call("put_object", Key=key, Body=data)
        except FileNotFoundError as error:
            raise MachineError(
                "store-missing", f"The bucket of {self.url} does not exist.", "Create it, or set E2E3D_STORE."
            ) from error


class S3Presigner:
    """See :class:`~e2e3d.storage.files.Presigner`."""

    def __init__(self, files: S3Files, options: S3Options) -> None:
        import fsspec

        self._files = files
        public = dataclasses.replace(options, endpoint=options.public_endpoint or options.endpoint)
        with reachable(files.url):
            self._signer, self._root = fsspec.core.url_to_fs(files.url, **remote_arguments(files.url, public))

    def get(self, name: str, expires_s: int, disposition: ContentDisposition) -> str:
        """See :class:`~e2e3d.storage.files.Presigner`."""
        shown = {
            "ResponseContentDisposition": disposition.header,
            "ResponseContentType": disposition.media_type,
        }
        return self._sign("get_object", name, expires_s, **shown)

    def part(self, name: str, multipart_id: str, number: int, expires_s: int) -> str:
        """See :class:`~e2e3d.storage.files.Presigner`."""
        return self._sign("upload_part", name, expires_s, UploadId=multipart_id, PartNumber=number)

    def start(self, name: str) -> str:
        """See :class:`~e2e3d.storage.files.Presigner`."""
        with reachable(self._files.url):
            return str(self._files.call("create_multipart_upload", Key=self._files.key(name))["UploadId"])

    def finish(self, name: str, multipart_id: str, etags: list[str]) -> int:
        """See :class:`~e2e3d.storage.files.Presigner`."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        try:
            with reachable(self._files.url):
                self._files.complete(self._files.key(name), multipart_id, parts)
        except (FileNotFoundError, MachineError) as error:
            if isinstance(error, MachineError) and not isinstance(error.__cause__, OSError | ValueError):
                raise
            raise InputError(
                "parts-wrong", "The parts do not fit together.", "Send those again that are missing or were changed."
            ) from error
        return self._files.size(name) or 0

    def abort(self, name: str, multipart_id: str) -> None:
        """See :class:`~e2e3d.storage.files.Presigner`."""
        with contextlib.suppress(FileNotFoundError), reachable(self._files.url):
            self._files.call("abort_multipart_upload", Key=self._files.key(name), UploadId=multipart_id)

    def _sign(self, method: str, name: str, expires_s: int, **arguments: Any) -> str:
        path = f"{self._root}/{checked_name(name)}"
        with reachable(self._files.url):
            return str(self._signer.url(path, expires=expires_s, client_method=method, **arguments))


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
