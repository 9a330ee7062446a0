"""Records of image sets, their photographs, and uploads under way."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class ImageSetRecord:
    """A named set of photographs.

    Attributes:
        photo_count: photographs that jobs can use; rejected ones are not counted.
        bytes: stored for it.
    """

    id: str
    user_id: str
    name: str
    photo_count: int
    bytes: int
    created_at: datetime.datetime
    updated_at: datetime.datetime


@dataclass(frozen=True)
class Finding:
    """What a check found, and what to do about it; `fatal` ones keep the photograph out of jobs."""

    code: str
    message: str
    fatal: bool


@dataclass(frozen=True)
class PhotoFacts:
    """What the check of a photograph measured.

    Attributes:
        width_px, height_px: as it is seen; None when it does not decode.
        sharpness, exposure, thumbprint: see :class:`e2e3d.data.photo.Photo`; None when it was not measured.
        findings: those of the photograph alone, without its set.
    """

    sha256: str
    bytes: int
    media_type: str
    width_px: int | None = None
    height_px: int | None = None
    sharpness: float | None = None
    exposure: float | None = None
    thumbprint: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def rejected(self) -> bool:
        """Whether it is of no use to any job."""
        return any(finding.fatal for finding in self.findings)


@dataclass(frozen=True)
class PhotoRecord:
    """A photograph of an image set; `state` is ``ok``, ``warning`` or ``rejected`` (its bytes are not kept)."""

    id: str
    image_set_id: str
    name: str
    facts: PhotoFacts
    state: str
    position: int
    created_at: datetime.datetime


@dataclass(frozen=True)
class Arrival:
    """What became of one file that was sent.

    Attributes:
        name: as it was sent.
        outcome: ``added``, ``known`` (was there already), ``rejected``, ``ignored`` (no photograph by its name) or
            ``importing`` (an archive; `upload_id` tells how far it has come).
        photo: as it stands in the set; None when it is not in it.
        findings: what is wrong with it.
    """

    name: str
    outcome: str
    photo: PhotoRecord | None = None
    findings: tuple[Finding, ...] = ()
    upload_id: str | None = None


@dataclass(frozen=True)
class UploadPart:
    """A piece of an upload that has arrived: where it lies in the store, and its length."""

    name: str
    bytes: int


@dataclass(frozen=True)
class ImportProgress:
    """How far the photographs inside an upload have been taken in.

    Attributes:
        position: files looked at, of `total`; None until the upload has been opened.
        remarks: what is wrong with single files, the first ones only.
        error_code, error_message, error_hint: why nothing could be taken in at all.
    """

    position: int = 0
    total: int | None = None
    added: int = 0
    known: int = 0
    rejected: int = 0
    ignored: int = 0
    remarks: tuple[Arrival, ...] = ()
    error_code: str | None = None
    error_message: str | None = None
    error_hint: str | None = None


@dataclass(frozen=True)
class UploadRecord:
    """What arrives bit by bit.

    Attributes:
        kind: ``tus``, ``presigned`` or ``s3`` (a prefix to copy from).
        state: ``open`` (bytes arrive), ``importing`` (photographs are, or will be, taken in), ``done`` or ``failed``.
        size_bytes: announced length.
        parts: what has arrived, in order; `offset_bytes` in all.
        tus_metadata: ``Upload-Metadata`` as it was sent.
    """

    id: str
    user_id: str
    image_set_id: str
    kind: str
    name: str
    size_bytes: int | None
    offset_bytes: int
    state: str
    parts: tuple[UploadPart, ...]
    s3_upload_id: str | None
    tus_metadata: str
    progress: ImportProgress
    expires_at: datetime.datetime
    created_at: datetime.datetime
    updated_at: datetime.datetime
