"""Photographs in: as a form, from S3, and how far uploads have come."""

from __future__ import annotations

import dataclasses
import datetime
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, status
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from e2e3d.service.accounts import quotas as usage
from e2e3d.service.administration import audit
from e2e3d.service.database.table_base import now
from e2e3d.service.http.bodies import large_body
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.paging import Cursor, Limit, page_of, position_of
from e2e3d.service.http.problems import missing, problem_responses
from e2e3d.service.http.wire import Page
from e2e3d.service.image_sets import photo_queries as photos
from e2e3d.service.image_sets import records
from e2e3d.service.image_sets.routes import own_set
from e2e3d.service.image_sets.wire import Arrival, Arrivals, ImageSet
from e2e3d.service.intake.imports import allowed_prefix
from e2e3d.service.intake.intake import ImportTarget
from e2e3d.service.intake.photo_check import judged
from e2e3d.service.intake.upload_parts import remove_parts
from e2e3d.service.services import Services
from e2e3d.service.sign_in.caller import Caller
from e2e3d.service.sign_in.dependencies import Reader, ServicesOf, Writer
from e2e3d.service.uploads import queries as uploads
from e2e3d.service.uploads.receive import ReceiveContext, receive_form
from e2e3d.service.uploads.records import UploadRecord
from e2e3d.service.uploads.wire import PrefixIn, Upload

router = APIRouter(prefix="/v1", tags=["uploads"], responses=problem_responses(401, 403, 404, 422, 503))
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "Photographs, or zip archives of them. Any number, under any field name.",
                        }
                    },
                }
            }
        },
    }
}
_PATIENCE_S = 5.0


def import_and_wait(services: Services, upload: UploadRecord) -> None:
    """Begin an import, and wait a moment: most uploads are one photograph, and its owner wants to know at once."""
    services.imports.start(upload.user_id, upload.id).wait(_PATIENCE_S)


def own_upload(services: Services, caller: Caller, upload_id: str) -> UploadRecord:
    """An upload of the caller. Raises ProblemError 404 for others'."""
    with services.database.reading() as session:
        found = uploads.find(session, caller.id, upload_id)
    if found is None:
        raise missing("upload")
    return found


@router.post(
    "/image-sets/{image_set_id}/photos",
    summary="Send photographs",
    openapi_extra=_FORM,
    response_model=Arrivals,
    responses=problem_responses(400, 413, 415),
)
@large_body
async def send_photos(request: Request, image_set_id: ResourceId, caller: Writer, services: ServicesOf) -> Any:
    """Send photographs, or zip archives of them, as files of a form: as many as you like in one request.

    Each is checked on arrival, and the answer says what is wrong with it. What arrived before the connection broke
    stays; sending it again changes nothing. Archives are taken in while you may do something else: see `upload_id`.
    """
    await run_in_threadpool(_prepare, services, caller, image_set_id)
    settings, target = services.settings, ImportTarget(caller.id, image_set_id)
    keep = datetime.timedelta(days=settings.retention_days_uploads)
    begin = partial(services.imports.start, caller.id)
    reception = ReceiveContext(services.intake, target, settings.max_upload_bytes, keep, begin, services.threads)
    try:
        content_type = request.headers.get("content-type", "")
        arrivals = await receive_form(reception, content_type, request.stream())
    except ClientDisconnect:
        return Response(status_code=499)  # nobody receives it, but the log shows what happened
    return await run_in_threadpool(_answer, services, caller, image_set_id, arrivals)


@router.post(
    "/image-sets/{image_set_id}/imports",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Import photographs from S3",
    responses=problem_responses(409, 413),
)
def import_photos(image_set_id: ResourceId, body: PrefixIn, caller: Writer, services: ServicesOf) -> Upload:
    """Take in all photographs below a prefix of S3 that this deployment allows. Ask the upload how far it has come."""
    source = allowed_prefix(body.source, services.settings.allowed_s3_prefixes)
    moment = now()
    expires_at = moment + datetime.timedelta(days=services.settings.retention_days_uploads)
    with services.database.session() as session:
        own_set(session, caller, image_set_id)
        made = uploads.create(session, caller.id, image_set_id, "s3", source, None, expires_at, moment)
        uploads.begin_import(session, made.id)
        audit.record(session, caller.actor, "image-set.import", "image-set", image_set_id, source=source)
    services.imports.start(caller.id, made.id)
    return Upload.of(own_upload(services, caller, made.id))


@router.get("/image-sets/{image_set_id}/uploads", summary="List uploads")
def list_uploads(
    image_set_id: ResourceId, caller: Reader, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None
) -> Page[Upload]:
    """Resumable uploads, archives and imports of an image set, the newest first; finished ones go after a while."""
    with services.database.reading() as session:
        own_set(session, caller, image_set_id)
        found = uploads.listed(session, caller.id, image_set_id, limit + 1, position_of(cursor))
    items, after = page_of(found, limit, lambda each: (each.created_at, each.id))
    return Page(items=tuple(Upload.of(each) for each in items), next_cursor=after)


@router.get("/uploads/{upload_id}", summary="Look at an upload")
def get_upload(upload_id: ResourceId, caller: Reader, services: ServicesOf) -> Upload:
    """How much has arrived, how many of its photographs have been taken in, and what is wrong with them."""
    found = own_upload(services, caller, upload_id)
    if found.state == "importing":
        services.imports.start(caller.id, upload_id)  # in case the replica that worked at it has died
    return Upload.of(found)


def end_upload(services: Services, upload: UploadRecord) -> None:
    """Throw away what has arrived of an upload, and the upload."""
    remove_parts(services.files, upload)
    with services.database.session() as session:
        uploads.delete(session, upload.id)


def _prepare(services: Services, caller: Caller, image_set_id: str) -> None:
    with services.database.reading() as session:
        own_set(session, caller, image_set_id)
        usage.require(session, caller.id, 1)  # a full account is refused before the first byte


def _answer(services: Services, caller: Caller, image_set_id: str, arrivals: list[records.Arrival]) -> Arrivals:
    with services.database.reading() as session:
        image_set = own_set(session, caller, image_set_id)
        usual = photos.usual_sharpness(session, image_set_id)
    items = tuple(Arrival.of(_judged(arrival, usual)) for arrival in arrivals)
    return Arrivals(items=items, image_set=ImageSet.of(image_set))


def _judged(arrival: records.Arrival, usual: tuple[tuple[float, float], ...]) -> records.Arrival:
    if arrival.photo is None or arrival.outcome != "added":
        return arrival
    photo = judged([arrival.photo], usual)[0]
    return dataclasses.replace(arrival, photo=photo, findings=photo.facts.findings)
