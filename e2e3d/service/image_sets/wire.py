"""Image sets, photographs and uploads as the API shows them."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from e2e3d.service.http.wire import RequestModel, ResponseModel, values

if TYPE_CHECKING:
    from e2e3d.service.image_sets import records

PLAIN = r"^[^\x00]*$"  # PostgreSQL cannot keep NUL
_NAME = Field(min_length=1, max_length=200, pattern=PLAIN, examples=["The fountain"])
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class ImageSetIn(RequestModel):
    """What a new image set is called."""

    name: str = _NAME


class ImageSet(ResponseModel):
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
        return cls.from_record(record)


class Finding(ResponseModel):
    """What a check found."""

    code: str = Field(examples=["blurred"])
    message: str = Field(description="What is wrong, and what to do about it.")
    fatal: bool = Field(description="Whether it keeps the photograph out of jobs.")

    @classmethod
    def of(cls, record: records.Finding) -> Finding:
        """From a record."""
        return cls.from_record(record)


class Photo(ResponseModel):
    """A photograph of an image set."""

    id: str
    name: str = Field(examples=["day1/IMG_0042.JPG"])
    sha256: str
    bytes: int
    width_px: int | None
    height_px: int | None
    media_type: str
    state: Annotated[str, values("ok", "warning", "rejected")] = Field(description="Jobs leave `rejected` ones out.")
    findings: tuple[Finding, ...]
    created_at: datetime.datetime

    @classmethod
    def of(cls, record: records.PhotoRecord) -> Photo:
        """From a record."""
        facts = record.facts
        return cls.from_record(
            record,
            sha256=facts.sha256,
            bytes=facts.bytes,
            width_px=facts.width_px,
            height_px=facts.height_px,
            media_type=facts.media_type,
            findings=facts.findings,
        )


class Arrival(ResponseModel):
    """What became of one file that was sent."""

    name: str = Field(description="As it was sent.")
    outcome: Annotated[str, values("added", "known", "rejected", "ignored", "importing")] = Field(
        description="`known`: the set had the same bytes; `importing`: an archive, see `upload_id`."
    )
    photo: Photo | None = None
    findings: tuple[Finding, ...] = ()
    upload_id: str | None = None

    @classmethod
    def of(cls, record: records.Arrival) -> Arrival:
        """From a record."""
        return cls.from_record(record, photo=None if record.photo is None else Photo.of(record.photo))


class Arrivals(ResponseModel):
    """What became of every file of a request, in its order."""

    items: tuple[Arrival, ...]
    image_set: ImageSet


class KnownPhoto(RequestModel):
    """A photograph by its name and the SHA-256 of its bytes."""

    name: str = Field(min_length=1, max_length=1000)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class KnownPhotosIn(RequestModel):
    """Photographs that may be in other image sets of yours."""

    photos: list[KnownPhoto] = Field(min_length=1, max_length=500)


class KnownPhotos(ResponseModel):
    """What could be taken from other sets, and what has to be sent."""

    items: tuple[Arrival, ...]
    missing: tuple[KnownPhoto, ...]


class PhotoIds(RequestModel):
    """Photographs by their ids."""

    ids: list[_Id] = Field(min_length=1, max_length=1000)


class Removed(ResponseModel):
    """How many photographs went."""

    removed: int
