"""Image sets and the photographs in them."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from fastapi import APIRouter, Request, Response, status

from e2e3d.service.administration import audit
from e2e3d.service.database import Session
from e2e3d.service.database.table_base import now
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.paging import Cursor, Limit, NameContains, bad_cursor, page_of, plain, position_of
from e2e3d.service.http.problems import ProblemError, missing, problem_responses
from e2e3d.service.http.ranges import is_unchanged
from e2e3d.service.http.user_threads import in_user_threads
from e2e3d.service.http.wire import Page
from e2e3d.service.image_sets import photo_queries as photos
from e2e3d.service.image_sets import queries as image_sets
from e2e3d.service.image_sets.records import ImageSetRecord, PhotoRecord
from e2e3d.service.image_sets.wire import (
    Arrival,
    ImageSet,
    ImageSetIn,
    KnownPhotos,
    KnownPhotosIn,
    Photo,
    PhotoIds,
    Removed,
)
from e2e3d.service.intake.intake import ImportTarget
from e2e3d.service.intake.photo_check import judged
from e2e3d.service.services import Services
from e2e3d.service.sign_in.caller import Caller
from e2e3d.service.sign_in.dependencies import Reader, ServicesOf, Writer

router = APIRouter(prefix="/v1/image-sets", tags=["image sets"], responses=problem_responses(401, 403, 422, 503))
_NOT_FOUND = problem_responses(404)
_THUMBNAIL: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The thumbnail",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "You have it already (If-None-Match)"},
    **problem_responses(404, 410),
}


def own_set(session: Session, caller: Caller, image_set_id: str) -> ImageSetRecord:
    """A set of the caller. Raises ProblemError 404 for others'."""
    found = image_sets.find(session, caller.id, image_set_id)
    if found is None:
        raise missing("image set")
    return found


@router.post("", status_code=status.HTTP_201_CREATED, summary="Make an image set")
def make_image_set(body: ImageSetIn, caller: Writer, services: ServicesOf) -> ImageSet:
    """Make an empty image set. Photographs can be added to it at any time."""
    with services.database.session() as session:
        made = image_sets.create(session, caller.id, body.name, now())
        audit.record(session, caller.actor, "image-set.create", "image-set", made.id)
    return ImageSet.of(made)


@router.get("", summary="List image sets")
def list_image_sets(
    caller: Reader, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None, text: NameContains = None
) -> Page[ImageSet]:
    """Your image sets, the newest first."""
    with services.database.reading() as session:
        found = image_sets.listed(session, caller.id, limit + 1, position_of(cursor), plain(text))
    items, after = page_of(found, limit, lambda each: (each.created_at, each.id))
    return Page(items=tuple(ImageSet.of(each) for each in items), next_cursor=after)


@router.get("/{image_set_id}", summary="Look at an image set", responses=_NOT_FOUND)
def get_image_set(image_set_id: ResourceId, caller: Reader, services: ServicesOf) -> ImageSet:
    """Name, number of photographs and stored bytes."""
    with services.database.reading() as session:
        return ImageSet.of(own_set(session, caller, image_set_id))


@router.patch("/{image_set_id}", summary="Rename an image set", responses=_NOT_FOUND)
def rename_image_set(image_set_id: ResourceId, body: ImageSetIn, caller: Writer, services: ServicesOf) -> ImageSet:
    """Give an image set another name."""
    with services.database.session() as session:
        changed = image_sets.rename(session, caller.id, image_set_id, body.name, now())
    if changed is None:
        raise missing("image set")
    return ImageSet.of(changed)


@router.delete(
    "/{image_set_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete an image set",
    responses=_NOT_FOUND,
)
def delete_image_set(image_set_id: ResourceId, caller: Writer, services: ServicesOf) -> None:
    """Delete an image set with its photographs. Jobs that were made from it keep theirs."""
    with services.database.session() as session:
        if not image_sets.delete(session, caller.id, image_set_id, now()):
            raise missing("image set")
        audit.record(session, caller.actor, "image-set.delete", "image-set", image_set_id)


@router.get("/{image_set_id}/photos", summary="List photographs", responses=_NOT_FOUND)
def list_photos(
    image_set_id: ResourceId, caller: Reader, services: ServicesOf, limit: Limit = 50, cursor: Cursor = None
) -> Page[Photo]:
    """The photographs of a set as they came, with what the checks say of them in this set as it is now."""
    with services.database.reading() as session:
        own_set(session, caller, image_set_id)
        found = photos.listed(session, image_set_id, limit + 1, _position(cursor))
        shown = judged(found[:limit], photos.usual_sharpness(session, image_set_id))
    after = _cursor(found[limit - 1].position) if len(found) > limit else None
    return Page(items=tuple(Photo.of(each) for each in shown), next_cursor=after)


@router.get("/{image_set_id}/photos/{photo_id}", summary="Look at a photograph", responses=_NOT_FOUND)
def get_photo(image_set_id: ResourceId, photo_id: ResourceId, caller: Reader, services: ServicesOf) -> Photo:
    """One photograph, with what the checks say of it."""
    with services.database.reading() as session:
        own_set(session, caller, image_set_id)
        return Photo.of(_own_photo(session, image_set_id, photo_id))


@router.get(
    "/{image_set_id}/photos/{photo_id}/thumbnail",
    summary="Get a thumbnail",
    responses=_THUMBNAIL,
    response_class=Response,
)
@in_user_threads
def get_thumbnail(
    image_set_id: ResourceId, photo_id: ResourceId, request: Request, caller: Reader, services: ServicesOf
) -> Response:
    """A JPEG of the photograph as it is seen, at most 320 pixels on its longer side."""
    with services.database.reading() as session:
        own_set(session, caller, image_set_id)
        facts = _own_photo(session, image_set_id, photo_id).facts
    if facts.rejected:
        raise missing("thumbnail")
    headers = {"ETag": f'"{facts.sha256}"', "Cache-Control": "private, no-cache"}
    if is_unchanged(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    try:
        content = services.intake.thumbnail(caller.id, facts.sha256)
    except FileNotFoundError as error:
        raise ProblemError(410, "photo-gone", "The service has lost the photograph.", "Send it again.") from error
    return Response(content, headers=headers, media_type="image/jpeg")


@router.delete(
    "/{image_set_id}/photos/{photo_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Remove a photograph",
    responses=_NOT_FOUND,
)
def remove_photo(image_set_id: ResourceId, photo_id: ResourceId, caller: Writer, services: ServicesOf) -> None:
    """Take a photograph out of a set. Jobs that were made with it keep it."""
    if _remove(services, caller, image_set_id, [photo_id]) == 0:
        raise missing("photo")


@router.post("/{image_set_id}/photos/remove", summary="Remove photographs", responses=_NOT_FOUND)
def remove_photos(image_set_id: ResourceId, body: PhotoIds, caller: Writer, services: ServicesOf) -> Removed:
    """Take many photographs out of a set at once; ids that it does not have are passed over."""
    return Removed(removed=_remove(services, caller, image_set_id, body.ids))


@router.post("/{image_set_id}/photos/known", summary="Add photographs that you sent before", responses=_NOT_FOUND)
def add_known_photos(
    image_set_id: ResourceId, body: KnownPhotosIn, caller: Writer, services: ServicesOf
) -> KnownPhotos:
    """Add photographs of your other image sets by the SHA-256 of their bytes, without sending them again."""
    with services.database.reading() as session:
        own_set(session, caller, image_set_id)
    wanted = [(photo.name, photo.sha256) for photo in body.photos]
    arrivals = services.intake.take_known(ImportTarget(caller.id, image_set_id), wanted)
    return KnownPhotos(
        items=tuple(Arrival.of(arrival) for arrival in arrivals if arrival is not None),
        missing=tuple(photo for photo, arrival in zip(body.photos, arrivals, strict=True) if arrival is None),
    )


def _own_photo(session: Session, image_set_id: str, photo_id: str) -> PhotoRecord:
    found = photos.find(session, image_set_id, photo_id)
    if found is None:
        raise missing("photo")
    return judged([found], photos.usual_sharpness(session, image_set_id))[0]


def _remove(services: Services, caller: Caller, image_set_id: str, ids: list[str]) -> int:
    with services.database.session() as session:
        removed = photos.remove(session, caller.id, image_set_id, ids, now())
        if removed is None:
            raise missing("image set")
        if removed:
            audit.record(session, caller.actor, "photos.remove", "image-set", image_set_id, count=removed)
    return removed


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"p{position}".encode()).decode().rstrip("=")


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error) as error:
        raise bad_cursor() from error
    if not text.startswith("p") or not text[1:].isdecimal() or len(text) > 10:
        raise bad_cursor()
    return int(text[1:])
