"""Uploads under way as the service handles them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from e2e3d.service.image_sets.records import Arrival


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
