"""Image sets and their photographs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from e2e3d.client.exchange import exchange
from e2e3d.client.flow import Flow
from e2e3d.client.models import ImageSet, Page, Photo
from e2e3d.client.paging import each_item
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, path

_PAGE = 200


def create_image_set(session: Session, name: str) -> Flow[ImageSet]:
    """Make an empty set."""
    reply = yield from exchange(session, Call("POST", path("image-sets"), json={"name": name}))
    return ImageSet.model_validate(reply.json())


def image_set(session: Session, image_set_id: str) -> Flow[ImageSet]:
    """A set as it is now. Raises NotFoundError."""
    reply = yield from exchange(session, Call("GET", path("image-sets", image_set_id)))
    return ImageSet.model_validate(reply.json())


def list_image_sets(
    session: Session, limit: int | None = None, cursor: str | None = None, text: str | None = None
) -> Flow[Page[ImageSet]]:
    """Your sets, newest first; `text` is a part of their names."""
    call = Call("GET", path("image-sets"), {"limit": limit, "cursor": cursor, "text": text})
    return Page[ImageSet].model_validate((yield from exchange(session, call)).json())


def rename_image_set(session: Session, image_set_id: str, name: str) -> Flow[ImageSet]:
    """Give a set another name."""
    reply = yield from exchange(
        session, Call("PATCH", path("image-sets", image_set_id), json={"name": name}, repeatable=True)
    )
    return ImageSet.model_validate(reply.json())


def delete_image_set(session: Session, image_set_id: str) -> Flow[None]:
    """Delete a set; jobs that were made from it keep what they need."""
    yield from exchange(session, Call("DELETE", path("image-sets", image_set_id)))


def list_photos(
    session: Session, image_set_id: str, limit: int | None = None, cursor: str | None = None
) -> Flow[Page[Photo]]:
    """The photographs of a set, with what is wrong with each."""
    call = Call("GET", path("image-sets", image_set_id, "photos"), {"limit": limit, "cursor": cursor})
    return Page[Photo].model_validate((yield from exchange(session, call)).json())


def all_photos(session: Session, image_set_id: str) -> Flow[None]:
    """Iterates over all photographs of a set."""
    return each_item(partial(_photos_at, session, image_set_id))


def photo(session: Session, image_set_id: str, photo_id: str) -> Flow[Photo]:
    """One photograph, with what is wrong with it. Raises NotFoundError."""
    reply = yield from exchange(session, Call("GET", path("image-sets", image_set_id, "photos", photo_id)))
    return Photo.model_validate(reply.json())


def thumbnail(session: Session, image_set_id: str, photo_id: str) -> Flow[bytes]:
    """A small JPEG of a photograph, upright, at most 320 pixels on its longer side. Raises NotFoundError."""
    call = Call("GET", path("image-sets", image_set_id, "photos", photo_id, "thumbnail"))
    return (yield from exchange(session, call)).content


def remove_photo(session: Session, image_set_id: str, photo_id: str) -> Flow[None]:
    """Take a photograph out of a set."""
    yield from exchange(session, Call("DELETE", path("image-sets", image_set_id, "photos", photo_id)))


def remove_photos(session: Session, image_set_id: str, photo_ids: Sequence[str]) -> Flow[int]:
    """Take up to 1,000 photographs out of a set; returns how many went."""
    body = {"ids": list(photo_ids)}
    call = Call("POST", path("image-sets", image_set_id, "photos", "remove"), json=body, repeatable=True)
    return int((yield from exchange(session, call)).json()["removed"])


def _photos_at(session: Session, image_set_id: str, cursor: str | None) -> Flow[Page[Photo]]:
    return list_photos(session, image_set_id, _PAGE, cursor)
