"""Addresses that let clients read and write an S3 bucket without the service in between."""

from __future__ import annotations

from e2e3d.errors import InputError, MachineError
from e2e3d.storage.objects import ContentDisposition
from e2e3d.storage.s3_bucket import S3Bucket


class S3Presigner:
    """See :class:`~e2e3d.storage.objects.Presigner`."""

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket

    def get(self, name: str, expires_s: int, disposition: ContentDisposition) -> str:
        """See :class:`~e2e3d.storage.objects.Presigner`."""
        shown = {"ResponseContentDisposition": disposition.header, "ResponseContentType": disposition.media_type}
        return self._bucket.sign("get_object", self._bucket.key(name), expires_s, **shown)

    def part(self, name: str, multipart_id: str, number: int, expires_s: int) -> str:
        """See :class:`~e2e3d.storage.objects.Presigner`."""
        part = {"UploadId": multipart_id, "PartNumber": number}
        return self._bucket.sign("upload_part", self._bucket.key(name), expires_s, **part)

    def start(self, name: str) -> str:
        """See :class:`~e2e3d.storage.objects.Presigner`."""
        return self._bucket.start(self._bucket.key(name))

    def finish(self, name: str, multipart_id: str, etags: list[str]) -> int:
        """See :class:`~e2e3d.storage.objects.Presigner`."""
        key = self._bucket.key(name)
        try:
            self._bucket.finish(key, multipart_id, etags)
        except (FileNotFoundError, MachineError) as error:
            if isinstance(error, MachineError) and not isinstance(error.__cause__, OSError | ValueError):
                raise
            raise InputError(
                "parts-wrong", "The parts do not fit together.", "Send those again that are missing or were changed."
            ) from error
        return int(self._bucket.call("head_object", Key=key)["ContentLength"])

    def abort(self, name: str, multipart_id: str) -> None:
        """See :class:`~e2e3d.storage.objects.Presigner`."""
        self._bucket.abort(self._bucket.key(name), multipart_id)
