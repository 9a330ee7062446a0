"""Image sets, photographs and uploads as the API shows them."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from e2e3d.service.image_sets import records

_PLAIN = r"^[^\x00]*$"  # PostgreSQL cannot keep NUL
_NAME = Field(min_length=1, max_length=200, pattern=_PLAIN, examples=["The fountain"])
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class ImageSetIn(BaseModel):
    """What a new image set is called."""

    model_config = ConfigDict(extra="forbid")

    name: str = _NAME


class ImageSet(BaseModel):
    """A named set of photographs, which any number of jobs can be made from."""

    id: str
    name: str
    photo_count: int = Field(description="Photographs that jobs can use.")
    bytes: int
    created_at: datetime.datetime
    updated_at: datetime.datetime

    @classmethod
    def of(cls, record: records.ImageSetRecord) -> ImageSet:
        """From a record."""
        return cls(
            id=record.id,
            name=record.name,
            photo_count=record.photo_count,
            bytes=record.bytes,
            created_at=record.created_at,
            updated_at=record.updated_at,
        )


class Finding(BaseModel):
    """What a check found."""

    code: str = Field(examples=["blurred"])
    message: str = Field(description="What is wrong, and what to do about it.")
    fatal: bool = Field(description="Whether it keeps the photograph out of jobs.")

    @classmethod
    def of(cls, record: records.Finding) -> Finding:
        """From a record."""
        return cls(code=record.code, message=record.message, fatal=record.fatal)


class Photo(BaseModel):
    """A photograph of an image set."""

    id: str
    name: str = Field(examples=["day1/IMG_0042.JPG"])
    sha256: str
    bytes: int
    width_px: int | None
    height_px: int | None
    media_type: str
    state: Literal["ok", "warning", "rejected"] = Field(description="Jobs leave `rejected` ones out.")
    findings: list[Finding]
    created_at: datetime.datetime

    @classmethod
    def of(cls, record: records.PhotoRecord) -> Photo:
        """From a record."""
        facts = record.facts
        return cls(
            id=record.id,
            name=record.name,
            sha256=facts.sha256,
            bytes=facts.bytes,
            width_px=facts.width_px,
            height_px=facts.height_px,
            media_type=facts.media_type,
            state=record.state,  # type: ignore[arg-type]
            findings=[Finding.of(finding) for finding in facts.findings],
            created_at=record.created_at,
        )


class Arrival(BaseModel):
    """What became of one file that was sent."""

    name: str = Field(description="As it was sent.")
    outcome: Literal["added", "known", "rejected", "ignored", "importing"] = Field(
        description="`known`: the set had the same bytes; `importing`: an archive, see `upload_id`."
    )
    photo: Photo | None = None
    findings: list[Finding] = []
    upload_id: str | None = None

    @classmethod
    def of(cls, record: records.Arrival) -> Arrival:
        """From a record."""
        return cls(
            name=record.name,
            outcome=record.outcome,  # type: ignore[arg-type]
            photo=None if record.photo is None else Photo.of(record.photo),
            findings=[Finding.of(finding) for finding in record.findings],
            upload_id=record.upload_id,
        )


class Arrivals(BaseModel):
    """What became of every file of a request, in its order."""

    items: list[Arrival]
    image_set: ImageSet


class KnownPhoto(BaseModel):
    """A photograph by its name and the SHA-256 of its bytes."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=1000)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class KnownPhotosIn(BaseModel):
    """Photographs that may be in other image sets of yours."""

    model_config = ConfigDict(extra="forbid")

    photos: list[KnownPhoto] = Field(min_length=1, max_length=500)


class KnownPhotos(BaseModel):
    """What could be taken from other sets, and what has to be sent."""

    items: list[Arrival]
    missing: list[KnownPhoto]


class PhotoIds(BaseModel):
    """Photographs by their ids."""

    model_config = ConfigDict(extra="forbid")

    ids: list[_Id] = Field(min_length=1, max_length=1000)


class Removed(BaseModel):
    """How many photographs went."""

    removed: int


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

    source: str = Field(min_length=6, max_length=255, pattern=_PLAIN, examples=["s3://photographs/fountain"])
