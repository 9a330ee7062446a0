"""Resumable uploads as tus 1.0 defines them (https://tus.io/protocols/resumable-upload).

Core protocol, creation, creation-with-upload, termination, checksum and expiration. What arrives lies in the store in
pieces, and the offset in the database: any replica can go on, and two at once cannot both win (ADR 12).
"""

from __future__ import annotations

import base64
import binascii
import datetime
import email.utils
import hashlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from e2e3d.errors import InputError
from e2e3d.service.database.table_base import now
from e2e3d.service.http.bodies import large_body
from e2e3d.service.http.ids import ResourceId
from e2e3d.service.http.problems import CHECKSUM_MISMATCH, ProblemError, problem_responses
from e2e3d.service.image_sets.routes import own_set
from e2e3d.service.intake.photo_names import safe_name
from e2e3d.service.intake.upload_parts import PartWriter
from e2e3d.service.services import Services
from e2e3d.service.sign_in.caller import Caller
from e2e3d.service.sign_in.dependencies import Reader, ServicesOf, Writer
from e2e3d.service.uploads import queries as uploads
from e2e3d.service.uploads.records import UploadPart, UploadRecord
from e2e3d.service.uploads.routes import end_upload, import_and_wait, own_upload

router = APIRouter(prefix="/v1", tags=["uploads"], responses=problem_responses(401, 403, 404, 412, 503))

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,checksum,expiration"
_CHUNK_TYPE = "application/offset+octet-stream"
_ALGORITHMS = ("sha1", "sha256", "md5")
_MAX_METADATA = 8000
MAX_LENGTH = 2**53 - 1


@dataclass(frozen=True)
class _Checksum:
    algorithm: str
    digest: bytes


@router.options("/image-sets/{image_set_id}/uploads", summary="What the server can do (tus)", status_code=204)
def tus_capabilities(image_set_id: ResourceId, services: ServicesOf) -> Response:
    """Version, extensions and limits of the tus protocol."""
    return _answer(204, {"Tus-Max-Size": str(services.settings.max_upload_bytes)})


@router.post(
    "/image-sets/{image_set_id}/uploads",
    status_code=201,
    summary="Begin a resumable upload (tus)",
    responses=problem_responses(400, 409, 413, 415, 422, CHECKSUM_MISMATCH),
)
@large_body
async def begin_upload(
    request: Request,
    image_set_id: ResourceId,
    caller: Writer,
    services: ServicesOf,
    upload_length: Annotated[int, Header(ge=0, le=MAX_LENGTH, description="Bytes of the whole file.")],
    tus_resumable: Annotated[str | None, Header()] = None,
    upload_metadata: Annotated[str | None, Header(description="Must have `filename`.")] = None,
    content_type: Annotated[str | None, Header()] = None,
    upload_checksum: Annotated[str | None, Header()] = None,
) -> Response:
    """Begin to upload a photograph or a zip archive, and go on with PATCH at the `Location` of the answer.

    When everything has arrived it is taken into the image set: see `GET /v1/uploads/{upload_id}`.
    """
    _check_version(tus_resumable)
    limit = services.settings.max_upload_bytes
    if upload_length > limit:
        raise ProblemError(413, "file-too-large", f"{upload_length} bytes are too many.", f"At most {limit} bytes.")
    name = safe_name(_metadata(upload_metadata or "").get("filename", ""))
    begun = await run_in_threadpool(_begin, services, caller, image_set_id, name, upload_length, upload_metadata or "")
    headers = {"Location": f"{services.settings.public_url or ''}/v1/uploads/{begun.id}", **_expiry(begun)}
    if content_type == _CHUNK_TYPE or upload_length == 0:
        checksum = _checksum(upload_checksum)
        headers["Upload-Offset"] = str(await _receive(request, services, begun, 0, checksum))
    return _answer(201, headers)


@router.head("/uploads/{upload_id}", summary="How much has arrived (tus)")
def upload_offset(
    upload_id: ResourceId,
    caller: Reader,
    services: ServicesOf,
    tus_resumable: Annotated[str | None, Header()] = None,
) -> Response:
    """The offset to go on from."""
    _check_version(tus_resumable)
    found = _own_tus(services, caller, upload_id)
    headers = {"Upload-Offset": str(found.offset_bytes), "Cache-Control": "no-store", **_expiry(found)}
    if found.size_bytes is not None:
        headers["Upload-Length"] = str(found.size_bytes)
    if found.tus_metadata:
        headers["Upload-Metadata"] = found.tus_metadata
    return _answer(200, headers)


@router.patch(
    "/uploads/{upload_id}",
    status_code=204,
    summary="Send the next bytes (tus)",
    responses=problem_responses(400, 409, 410, 413, 415, 422, CHECKSUM_MISMATCH),
)
@large_body
async def continue_upload(
    request: Request,
    upload_id: ResourceId,
    caller: Writer,
    services: ServicesOf,
    upload_offset: Annotated[int, Header(ge=0, le=MAX_LENGTH)],
    tus_resumable: Annotated[str | None, Header()] = None,
    content_type: Annotated[str | None, Header()] = None,
    upload_checksum: Annotated[str | None, Header()] = None,
) -> Response:
    """Send bytes that begin at `Upload-Offset`. What arrived before a connection broke is kept.

    With `Upload-Checksum` all bytes of the request are kept, or none.
    """
    _check_version(tus_resumable)
    if content_type != _CHUNK_TYPE:
        raise ProblemError(415, "chunk-type", "The body must be bytes of the file.", f"Use Content-Type {_CHUNK_TYPE}.")
    checksum = _checksum(upload_checksum)
    found = await run_in_threadpool(_own_tus, services, caller, upload_id)
    if found.state == "open" and found.expires_at < now():
        raise ProblemError(410, "upload-expired", "The upload took too long and was given up.", "Begin another one.")
    if found.state != "open" or upload_offset != found.offset_bytes:
        raise _conflict(found.offset_bytes)
    offset = await _receive(request, services, found, upload_offset, checksum)
    return _answer(204, {"Upload-Offset": str(offset), **_expiry(found)})


@router.delete("/uploads/{upload_id}", status_code=204, summary="Give an upload up (tus)")
def give_up_upload(
    upload_id: ResourceId,
    caller: Writer,
    services: ServicesOf,
    tus_resumable: Annotated[str | None, Header()] = None,
) -> Response:
    """Throw away what has arrived. Photographs that were taken in already stay in their set."""
    if tus_resumable is not None:
        _check_version(tus_resumable)
    end_upload(services, own_upload(services, caller, upload_id))
    return _answer(204, {})


async def _receive(
    request: Request, services: Services, upload: UploadRecord, offset: int, checksum: _Checksum | None
) -> int:
    """Keep the body of a request; returns the new offset, after the photographs were taken in if it was the last."""
    assert upload.size_bytes is not None
    body = _Body(services, upload, offset, checksum)
    try:
        async for chunk in request.stream():
            if body.gather(chunk):
                await run_in_threadpool(body.write)
    except ClientDisconnect:
        await run_in_threadpool(body.finish, True)
        return body.offset
    await run_in_threadpool(body.finish, False)
    if body.offset == upload.size_bytes and await run_in_threadpool(_close, services, upload.id):
        await services.threads.run(upload.user_id, import_and_wait, services, upload)
    return body.offset


class _Body:
    """The bytes of one request. Pieces count at once, or with a checksum, when all of them have been compared."""

    def __init__(self, services: Services, upload: UploadRecord, offset: int, checksum: _Checksum | None) -> None:
        self.offset = offset
        self._services = services
        self._upload = upload
        self._checksum = checksum
        self._digest = None if checksum is None else hashlib.new(checksum.algorithm, usedforsecurity=False)
        self._writer = PartWriter(services.files, upload.id, offset)
        self._held: list[UploadPart] = []
        self._received = offset

    def gather(self, chunk: bytes) -> bool:
        """Keep a chunk; True when :meth:`write` should be called."""
        self._received += len(chunk)
        if self._received > (self._upload.size_bytes or 0):
            raise ProblemError(
                413, "upload-too-long", "More bytes came than Upload-Length said.", "Ask for the offset with HEAD."
            )
        if self._digest is not None:
            self._digest.update(chunk)
        return self._writer.add(chunk)

    def write(self) -> None:
        """Write what is waiting as a piece."""
        part = self._writer.flush()
        if part is not None:
            self._held.append(part)
            if self._checksum is None:
                self._count()

    def finish(self, broken: bool) -> None:
        """The body is over; `broken` when the client went away, and what it sent cannot be compared."""
        if self._checksum is not None and (broken or not self._matches()):
            self._drop()
            if not broken:
                raise ProblemError(
                    CHECKSUM_MISMATCH, "checksum", "The bytes were changed on their way.", "Send them again."
                )
            return
        self.write()
        self._count()

    def _matches(self) -> bool:
        assert self._digest is not None
        assert self._checksum is not None
        return self._digest.digest() == self._checksum.digest

    def _count(self) -> None:
        if not self._held:
            return
        try:
            with self._services.database.session() as session:
                won = uploads.advance(session, self._upload.id, self.offset, tuple(self._held), now())
        except InputError:
            self._drop()
            raise
        if not won:
            self._drop()
            raise _conflict(None)
        self.offset += sum(part.bytes for part in self._held)
        self._held.clear()

    def _drop(self) -> None:
        for part in self._held:
            self._services.files.delete(part.name)
        self._held.clear()


def _begin(
    services: Services, caller: Caller, image_set_id: str, name: str, length: int, metadata: str
) -> UploadRecord:
    moment = now()
    expires_at = moment + datetime.timedelta(days=services.settings.retention_days_uploads)
    with services.database.session() as session:
        own_set(session, caller, image_set_id)
        return uploads.create(
            session, caller.id, image_set_id, "tus", name, length, expires_at, moment, tus_metadata=metadata
        )


def _close(services: Services, upload_id: str) -> bool:
    with services.database.session() as session:
        return uploads.begin_import(session, upload_id)


def _own_tus(services: Services, caller: Caller, upload_id: str) -> UploadRecord:
    found = own_upload(services, caller, upload_id)
    if found.kind != "tus":
        raise ProblemError(409, "upload-kind", "This upload does not go through the service.", "See its `kind`.")
    return found


def _conflict(offset: int | None) -> ProblemError:
    where = "other bytes arrived first" if offset is None else f"{offset} bytes have arrived"
    return ProblemError(
        409, "upload-offset", f"The upload cannot go on from there: {where}.", "Ask for the offset with HEAD."
    )


def _check_version(version: str | None) -> None:
    if version != VERSION:
        raise ProblemError(
            412, "tus-version", "Tus-Resumable is missing or unknown.", f"Send Tus-Resumable: {VERSION}.",
            {"Tus-Version": VERSION},
        )  # fmt: skip


def _checksum(header: str | None) -> _Checksum | None:
    if header is None:
        return None
    algorithm, _, digest = header.strip().partition(" ")
    if algorithm not in _ALGORITHMS:
        raise ProblemError(400, "checksum-algorithm", f"{algorithm!r} is unknown.", f"Use {', '.join(_ALGORITHMS)}.")
    try:
        return _Checksum(algorithm, base64.b64decode(digest, validate=True))
    except binascii.Error as error:
        raise ProblemError(400, "checksum-form", "The checksum is no Base64.", "Send <algorithm> <Base64>.") from error


def _metadata(header: str) -> dict[str, str]:
    """Key and value of every pair; values are UTF-8 in Base64."""
    if len(header) > _MAX_METADATA:
        raise ProblemError(400, "metadata-form", "Upload-Metadata is too long.", f"At most {_MAX_METADATA} characters.")
    found = {}
    for pair in filter(None, (each.strip() for each in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            hint = "Send pairs of a key and a Base64 value, separated by commas."
            raise ProblemError(400, "metadata-form", f"The value of {key!r} cannot be read.", hint) from error
    return found


def _expiry(upload: UploadRecord) -> dict[str, str]:
    return {"Upload-Expires": email.utils.format_datetime(upload.expires_at, usegmt=True)}


def _answer(status: int, headers: dict[str, str]) -> Response:
    known = {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Checksum-Algorithm": ",".join(_ALGORITHMS),
    }
    return Response(status_code=status, headers=known | headers)
