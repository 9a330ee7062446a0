"""Uploads straight to S3: the service only signs addresses, and takes the photographs in afterwards."""

from __future__ import annotations

import datetime

from fastapi import APIRouter, status

from e2e3d.service.database.table_base import now
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.problems import ProblemError, problem_responses
from e2e3d.service.http.user_threads import in_user_threads
from e2e3d.service.image_sets.routes import own_set
from e2e3d.service.intake.photo_names import safe_name
from e2e3d.service.intake.upload_parts import whole_name
from e2e3d.service.services import Services
from e2e3d.service.sign_in.caller import Caller
from e2e3d.service.sign_in.dependencies import ServicesOf, Writer
from e2e3d.service.uploads import queries as uploads
from e2e3d.service.uploads.records import UploadPart, UploadRecord
from e2e3d.service.uploads.routes import import_and_wait, own_upload
from e2e3d.service.uploads.wire import (
    PartNumbers,
    PartsDone,
    PresignedIn,
    PresignedPart,
    PresignedParts,
    PresignedUpload,
    Upload,
)
from e2e3d.storage.objects import Presigner

router = APIRouter(prefix="/v1", tags=["uploads"], responses=problem_responses(401, 403, 404, 409, 422, 503))

_MAX_PARTS = 10_000  # of S3's own
_SMALLEST_PART = 8 << 20
_EXPIRES_S = 3600
_FIRST_PARTS = 20


@router.post(
    "/image-sets/{image_set_id}/presigned-uploads",
    status_code=status.HTTP_201_CREATED,
    summary="Begin an upload straight to S3",
    responses=problem_responses(413),
)
def begin_presigned_upload(
    image_set_id: ResourceId, body: PresignedIn, caller: Writer, services: ServicesOf
) -> PresignedUpload:
    """Send a photograph or a zip archive in parts to the signed addresses, then call `complete` with their ETags.

    Only where the store is S3 (409 `presigned-needs-s3` otherwise). HTTP PUT each part without further headers.
    """
    presigner, limit = _presigner(services), services.settings.max_upload_bytes
    if body.size_bytes > limit:
        raise ProblemError(413, "file-too-large", f"{body.size_bytes} bytes are too many.", f"At most {limit} bytes.")
    moment, name = now(), safe_name(body.name)
    expires_at = moment + datetime.timedelta(days=services.settings.retention_days_uploads)
    with services.database.session() as session:
        own_set(session, caller, image_set_id)
        made = uploads.create(session, caller.id, image_set_id, "presigned", name, body.size_bytes, expires_at, moment)
    multipart_id = presigner.start(whole_name(made.id))
    with services.database.session() as session:
        uploads.set_multipart(session, made.id, multipart_id)
    part_bytes, count = _division(body.size_bytes)
    numbers = list(range(1, min(count, _FIRST_PARTS) + 1))
    return PresignedUpload(
        upload=Upload.of(made),
        part_bytes=part_bytes,
        part_count=count,
        parts=_signed(presigner, made.id, multipart_id, numbers),
        expires_in_s=_EXPIRES_S,
    )


@router.post("/uploads/{upload_id}/parts", summary="Get addresses for parts")
def sign_parts(upload_id: ResourceId, body: PartNumbers, caller: Writer, services: ServicesOf) -> PresignedParts:
    """Addresses for further parts, or new ones for parts whose addresses have expired."""
    presigner = _presigner(services)
    found = _open(services, caller, upload_id)
    _, count = _division(found.size_bytes or 0)
    if not all(1 <= number <= count for number in body.numbers):
        raise ProblemError(422, "part-number", f"The upload has parts 1 to {count}.", "Ask for those.")
    signed = _signed(presigner, upload_id, found.s3_upload_id or "", body.numbers)
    return PresignedParts(parts=signed, expires_in_s=_EXPIRES_S)


@router.post("/uploads/{upload_id}/complete", summary="Finish an upload to S3")
@in_user_threads
def complete_upload(upload_id: ResourceId, body: PartsDone, caller: Writer, services: ServicesOf) -> Upload:
    """Join the parts, and take the photographs in. Calling it again after a broken connection is safe."""
    presigner = _presigner(services)
    found = own_upload(services, caller, upload_id)
    if found.kind == "presigned" and found.state != "open":
        return Upload.of(found)
    found = _open(services, caller, upload_id)
    place = whole_name(upload_id)
    length = services.files.size(place)  # joined by a call whose answer was lost
    if length is None:
        length = presigner.finish(place, found.s3_upload_id or "", body.etags)
    if length != found.size_bytes:
        services.files.delete(place)
        with services.database.session() as session:
            uploads.delete(session, upload_id)
        message = f"{length} bytes arrived, but {found.size_bytes} were announced."
        raise ProblemError(422, "upload-size", message, "Begin another upload, and announce what you send.")
    with services.database.session() as session:
        ready = uploads.advance(session, upload_id, 0, (UploadPart(place, length),), now())
        ready = ready and uploads.begin_import(session, upload_id)
    if ready:
        import_and_wait(services, found)
    return Upload.of(own_upload(services, caller, upload_id))


def _presigner(services: Services) -> Presigner:
    if services.files.presigner is None:
        raise ProblemError(
            409, "presigned-needs-s3", "The store of this deployment is no S3.", "Upload as a form, or with tus."
        )
    return services.files.presigner


def _open(services: Services, caller: Caller, upload_id: str) -> UploadRecord:
    found = own_upload(services, caller, upload_id)
    if found.kind != "presigned" or found.state != "open" or found.s3_upload_id is None:
        raise ProblemError(
            409, "upload-kind", "This upload does not wait for parts in S3.", "See its `kind` and `state`."
        )
    return found


def _division(size_bytes: int) -> tuple[int, int]:
    """Length of a part, and how many there are."""
    part_bytes = _SMALLEST_PART
    while part_bytes * _MAX_PARTS < size_bytes:
        part_bytes *= 2
    return part_bytes, max(1, -(-size_bytes // part_bytes))


def _signed(presigner: Presigner, upload_id: str, multipart_id: str, numbers: list[int]) -> tuple[PresignedPart, ...]:
    place = whole_name(upload_id)
    return tuple(
        PresignedPart(number=number, url=presigner.part(place, multipart_id, number, _EXPIRES_S)) for number in numbers
    )
