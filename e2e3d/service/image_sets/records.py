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
