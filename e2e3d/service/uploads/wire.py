"""Uploads as the API shows them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from e2e3d.service.http.wire import RequestModel, ResponseModel, values
from e2e3d.service.image_sets.wire import PLAIN, Arrival

if TYPE_CHECKING:
    from e2e3d.service.uploads import records


class UploadProblem(ResponseModel):
    """Why nothing could be taken in."""

    code: str
    detail: str
    action: str


class Upload(ResponseModel):
    """Something that arrives bit by bit."""

    id: str
    image_set_id: str
    kind: Annotated[str, values("tus", "presigned", "s3")]
    name: str
    state: Annotated[str, values("open", "importing", "done", "failed")] = Field(
        description="`open`: bytes arrive; `importing`: photographs are taken in."
    )
    size_bytes: int | None
    offset_bytes: int
    files_done: int
    files_total: int | None
    added: int
    known: int
    rejected: int
    ignored: int
    remarks: tuple[Arrival, ...] = Field(description="What is wrong with single files, at most 500 of them.")
    error: UploadProblem | None = None
    expires_at: datetime.datetime
    created_at: datetime.datetime
    updated_at: datetime.datetime

    @classmethod
    def of(cls, record: records.UploadRecord) -> Upload:
        """From a record."""
        progress = record.progress
        error = None
        if progress.error_code is not None:
            error = UploadProblem(
                code=progress.error_code, detail=progress.error_message or "", action=progress.error_hint or ""
            )
        return cls.from_record(
            record,
            files_done=progress.position,
            files_total=progress.total,
            added=progress.added,
            known=progress.known,
            rejected=progress.rejected,
            ignored=progress.ignored,
            remarks=[Arrival.of(remark) for remark in progress.remarks],
            error=error,
        )


class PresignedIn(RequestModel):
    """A file that you will send straight to the store."""

    name: str = Field(min_length=1, max_length=1000, examples=["photos.zip"])
    size_bytes: int = Field(ge=1)


class PresignedPart(ResponseModel):
    """PUT the bytes of part `number` to `url`, and keep the ETag of the answer."""

    number: int
    url: str


class PresignedUpload(ResponseModel):
    """Where to send the parts of a file; all but the last have `part_bytes`."""

    upload: Upload
    part_bytes: int
    part_count: int
    parts: tuple[PresignedPart, ...] = Field(description="The first ones; ask for the others by their numbers.")
    expires_in_s: int


class PartNumbers(RequestModel):
    """Which addresses are wanted."""

    numbers: list[int] = Field(min_length=1, max_length=100)


class PresignedParts(ResponseModel):
    """Addresses to send parts to."""

    parts: tuple[PresignedPart, ...]
    expires_in_s: int


class PartsDone(RequestModel):
    """The ETag of every part in order."""

    etags: list[str] = Field(min_length=1, max_length=10_000)


class PrefixIn(RequestModel):
    """Where photographs lie in S3."""

    source: str = Field(min_length=6, max_length=255, pattern=PLAIN, examples=["s3://photographs/fountain"])
