"""Image sets, photographs and uploads as the API shows them."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from e2e3d.service.image_sets import records

PLAIN = r"^[^\x00]*$"  # PostgreSQL cannot keep NUL
_NAME = Field(min_length=1, max_length=200, pattern=PLAIN, examples=["The fountain"])
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
