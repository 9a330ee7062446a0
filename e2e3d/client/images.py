"""Image sets and their photographs."""

from __future__ import annotations

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


def list_image_sets(session: Session, limit: int | None = None, cursor: str | None = None) -> Flow[Page[ImageSet]]:
    """Your sets, newest first."""
    call = Call("GET", path("image-sets"), {"limit": limit, "cursor": cursor})
    return Page[ImageSet].model_validate((yield from exchange(session, call)).json())


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


def remove_photo(session: Session, image_set_id: str, photo_id: str) -> Flow[None]:
    """Take a photograph out of a set."""
    yield from exchange(session, Call("DELETE", path("image-sets", image_set_id, "photos", photo_id)))


def _photos_at(session: Session, image_set_id: str, cursor: str | None) -> Flow[Page[Photo]]:
    return list_photos(session, image_set_id, _PAGE, cursor)
