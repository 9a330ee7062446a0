"""Uploads as the API shows them."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from e2e3d.service.image_sets.wire import PLAIN, Arrival
from e2e3d.service.uploads import records


class UploadProblem(BaseModel):
    """Why nothing could be taken in."""

    code: str
    detail: str
    action: str


class Upload(BaseModel):
    """Something that arrives bit by bit."""

    id: str
    image_set_id: str
    kind: Literal["tus", "presigned", "s3"]
    name: str
    state: Literal["open", "importing", "done", "failed"] = Field(
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
    remarks: list[Arrival] = Field(description="What is wrong with single files, at most 500 of them.")
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
        return cls(
            id=record.id,
            image_set_id=record.image_set_id,
            kind=record.kind,  # type: ignore[arg-type]
            name=record.name,
            state=record.state,  # type: ignore[arg-type]
            size_bytes=record.size_bytes,
            offset_bytes=record.offset_bytes,
            files_done=progress.position,
            files_total=progress.total,
            added=progress.added,
            known=progress.known,
            rejected=progress.rejected,
            ignored=progress.ignored,
            remarks=[Arrival.of(remark) for remark in progress.remarks],
            error=error,
            expires_at=record.expires_at,
            created_at=record.created_at,
            updated_at=record.updated_at,
        )


class PresignedIn(BaseModel):
    """A file that you will send straight to the store."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=1000, examples=["photos.zip"])
    size_bytes: int = Field(ge=1)


class PresignedPart(BaseModel):
    """PUT the bytes of part `number` to `url`, and keep the ETag of the answer."""

    number: int
    url: str


class PresignedUpload(BaseModel):
    """Where to send the parts of a file; all but the last have `part_bytes`."""

    upload: Upload
    part_bytes: int
    part_count: int
    parts: list[PresignedPart] = Field(description="The first ones; ask for the others by their numbers.")
    expires_in_s: int


class PartNumbers(BaseModel):
    """Which addresses are wanted."""

    model_config = ConfigDict(extra="forbid")

    numbers: list[int] = Field(min_length=1, max_length=100)


class PresignedParts(BaseModel):
    """Addresses to send parts to."""

    parts: list[PresignedPart]
    expires_in_s: int


class PartsDone(BaseModel):
    """The ETag of every part in order."""

    model_config = ConfigDict(extra="forbid")

    etags: list[str] = Field(min_length=1, max_length=10_000)


class PrefixIn(BaseModel):
    """Where photographs lie in S3."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(min_length=6, max_length=255, pattern=PLAIN, examples=["s3://photographs/fountain"])
