"""Uploads as the service keeps them, imports from S3, and uploads that go straight to the store."""

from __future__ import annotations

from collections.abc import Sequence

from e2e3d.client.exchange import exchange
from e2e3d.client.flow import Flow
from e2e3d.client.models import Page, PresignedParts, PresignedUpload, Upload
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, path


def list_uploads(
    session: Session, image_set_id: str, limit: int | None = None, cursor: str | None = None
) -> Flow[Page[Upload]]:
    """Uploads into a set, newest first."""
    call = Call("GET", path("image-sets", image_set_id, "uploads"), {"limit": limit, "cursor": cursor})
    return Page[Upload].model_validate((yield from exchange(session, call)).json())


def upload_state(session: Session, upload_id: str) -> Flow[Upload]:
    """How far an upload or an import is. Raises NotFoundError."""
    return Upload.model_validate((yield from exchange(session, Call("GET", path("uploads", upload_id)))).json())


def discard_upload(session: Session, upload_id: str) -> Flow[None]:
    """Throw away what has arrived of an upload; photographs that were taken in already stay in their set."""
    yield from exchange(session, Call("DELETE", path("uploads", upload_id)))


def import_photos(session: Session, image_set_id: str, source: str) -> Flow[Upload]:
    """Have the service take in all photographs below a prefix of S3, such as ``s3://photographs/fountain``.

    Returns:
        The import; :meth:`Client.upload_state` says how far it is.

    Raises:
        InvalidRequestError: the prefix is none that the operator allows.
    """
    call = Call("POST", path("image-sets", image_set_id, "imports"), json={"source": source})
    return Upload.model_validate((yield from exchange(session, call)).json())


def begin_presigned_upload(session: Session, image_set_id: str, name: str, size_bytes: int) -> Flow[PresignedUpload]:
    """Begin an upload straight to S3: PUT each part to its address, then :meth:`Client.complete_presigned_upload`.

    Raises:
        ConflictError: ``presigned-needs-s3``: the service has another store.
    """
    body = {"name": name, "size_bytes": size_bytes}
    call = Call("POST", path("image-sets", image_set_id, "presigned-uploads"), json=body)
    return PresignedUpload.model_validate((yield from exchange(session, call)).json())


def sign_upload_parts(session: Session, upload_id: str, numbers: Sequence[int]) -> Flow[PresignedParts]:
    """Addresses for further parts, at most 100 at once, or new ones for parts whose addresses have expired."""
    call = Call("POST", path("uploads", upload_id, "parts"), json={"numbers": list(numbers)}, repeatable=True)
    return PresignedParts.model_validate((yield from exchange(session, call)).json())


def complete_presigned_upload(session: Session, upload_id: str, etags: Sequence[str]) -> Flow[Upload]:
    """Join the parts, whose `etags` S3 has answered, and take the photographs in."""
    call = Call("POST", path("uploads", upload_id, "complete"), json={"etags": list(etags)}, repeatable=True)
    return Upload.model_validate((yield from exchange(session, call)).json())
