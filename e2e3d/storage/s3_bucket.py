"""A prefix of an S3 bucket, through s3fs, which repeats calls that fail in passing: the only place that speaks S3."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
from typing import Any

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import MachineError
from e2e3d.storage.failures import reachable
from e2e3d.storage.names import checked_name


class S3Bucket:
    """Calls on the objects below ``s3://bucket/prefix``; their failures are MachineErrors, absence FileNotFoundError.

    Args:
        url: ``s3://bucket/prefix``.
        options: how to reach it.
    """

    def __init__(self, url: str, options: S3Options) -> None:
        self.url = url
        self._s3, root = _open(url, options)
        public = options.public_endpoint or options.endpoint
        self._signer, _ = _open(url, dataclasses.replace(options, endpoint=public))
        self._bucket, _, prefix = root.partition("/")
        self.prefix = f"{prefix}/" if prefix else ""

    def key(self, name: str) -> str:
        """The key of an object in the bucket. Raises InputError ``unsafe-name``."""
        return self.prefix + checked_name(name)

    def name(self, key: str) -> str:
        """The object of a key."""
        return key.removeprefix(self.prefix)

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method of S3, named as boto3 names it, on this bucket."""
        with reachable(self.url):
            return self._s3.call_s3(method, Bucket=self._bucket, **arguments)

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes from `start` up to, but without, `end`, by one request."""
        with reachable(self.url):
            try:
                return bytes(self._s3.cat_file(f"{self._bucket}/{key}", start=start, end=end))
            except OSError as error:
                if error.errno == errno.EINVAL:  # no byte lies in the range
                    return b""
                raise

    def head(self, key: str, count: int) -> tuple[bytes, int]:
        """The first `count` bytes and the length of the object, by one request."""
        from fsspec.asyn import sync

        with reachable(self.url):
            try:
                where = {"Bucket": self._bucket, "Key": key}
                answer = self._s3.call_s3("get_object", Range=f"bytes=0-{count - 1}", **where)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    return b"", 0
                raise
            with contextlib.closing(answer["Body"]) as body:
                return sync(self._s3.loop, body.read), int(answer["ContentRange"].rpartition("/")[2])

    def put(self, key: str, data: bytes) -> None:
        """Write an object by one request."""
        self._begin("put_object", Key=key, Body=data)

    def start(self, key: str) -> str:
        """Begin an upload in parts; returns its id."""
        return str(self._begin("create_multipart_upload", Key=key)["UploadId"])

    def _begin(self, method: str, **arguments: Any) -> Any:
        try:
            return self.call(method, **arguments)
        except FileNotFoundError as error:
            raise MachineError(
                "store-missing", f"The bucket of {self.url} does not exist.", "Create it, or set E2E3D_STORE."
            ) from error

    def finish(self, key: str, multipart_id: str, etags: list[str]) -> None:
        """Join parts into an object, given the ETag of each in order."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        self.call("complete_multipart_upload", Key=key, UploadId=multipart_id, MultipartUpload={"Parts": parts})

    def abort(self, key: str, multipart_id: str) -> None:
        """Throw the parts away; nothing happens when there are none."""
        with contextlib.suppress(FileNotFoundError):
            self.call("abort_multipart_upload", Key=key, UploadId=multipart_id)

    def sign(self, method: str, key: str, expires_s: int, **arguments: Any) -> str:
        """Address under which anybody may call `method` until it expires."""
        with reachable(self.url):
            path = f"{self._bucket}/{key}"
            return str(self._signer.url(path, expires=expires_s, client_method=method, **arguments))


def _open(url: str, options: S3Options) -> tuple[Any, str]:
    import fsspec

    config = {
        "connect_timeout": 5,
        "read_timeout": 60,
        "retries": {"max_attempts": 2, "mode": "standard"},
        "signature_version": "s3v4",  # presigned addresses would otherwise use the old one, which MinIO refuses
    }
    given: dict[str, Any] = {"endpoint_url": options.endpoint, "key": options.key, "secret": options.secret}
    given["s3_additional_kwargs"] = _encryption(options.sse)
    arguments = {name: value for name, value in given.items() if value}
    with reachable(url):
        files, root = fsspec.core.url_to_fs(url, config_kwargs=config, **arguments)
        return files, str(root)


def _encryption(sse: str | None) -> dict[str, str]:
    if not sse:
        return {}
    kind, _, key = sse.removeprefix("aws:").partition(":")
    if kind != "kms":
        return {"ServerSideEncryption": sse}
    return {"ServerSideEncryption": "aws:kms", **({"SSEKMSKeyId": key} if key else {})}
