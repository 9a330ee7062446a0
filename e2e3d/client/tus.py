"""Sends one file by the tus protocol 1.0 (https://tus.io/protocols/resumable-upload): resumable at the byte."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from functools import partial
from urllib.parse import urlsplit

from e2e3d.client.errors import ApiError, ConflictError, NotFoundError, UnreachableError, error_of
from e2e3d.client.exchange import attempt, exchange, pause_before
from e2e3d.client.flow import Flow, Pause
from e2e3d.client.local import LocalFile
from e2e3d.client.progress import TransferTracker
from e2e3d.client.session import Session
from e2e3d.client.wire import Body, Call

CHUNK_BYTES = 64 << 20
"""Of one request: proxies end requests that take too long; a break costs nothing that has arrived."""

_HEADERS = {"tus-resumable": "1.0.0"}
_LOCKED = 423
_OFFSET_WRONG = 409


def send_file(
    session: Session, create_path: str, file: LocalFile, sha256: str, started: str | None, tracker: TransferTracker
) -> Flow[str]:
    """Send a file, going on from where an earlier attempt came to.

    Args:
        session: whose.
        create_path: where uploads are created.
        file: what to send.
        sha256: of its bytes; an upload that was begun with other bytes is not gone on with.
        started: path of an upload that was begun earlier, if there is one.
        tracker: is told of every piece.

    Returns:
        The path of the upload.
    """
    deadline_s, tries = time.monotonic() + session.patience_s, 0
    offset = None if started is None else (yield from _offset(session, started, sha256))
    upload = started if offset is not None else None
    while True:
        if upload is None or offset is None:
            upload = yield from _create(session, create_path, file, sha256)
            offset = 0
        tracker.at(file.name, offset)
        if offset >= file.size_bytes:
            return upload
        failure: ApiError = NotFoundError("upload-missing", f"The upload of {file.name} vanished.", "Send it again.")
        try:
            reached = yield from _send_piece(session, upload, file, offset, tracker)
        except (UnreachableError, ConflictError) as error:
            failure = error
            yield Pause(pause_before(tries))  # the service may still be keeping what came through a broken connection
            reached = yield from _offset(session, upload, sha256)
        if reached is not None and reached > offset:
            deadline_s, tries = time.monotonic() + session.patience_s, 0
        elif time.monotonic() > deadline_s:
            raise failure
        else:
            tries += 1
        offset = reached


def _create(session: Session, create_path: str, file: LocalFile, sha256: str) -> Flow[str]:
    metadata = {"filename": file.name, "sha256": sha256}
    headers = {**_HEADERS, "upload-length": str(file.size_bytes), "upload-metadata": _encoded(metadata)}
    reply = yield from exchange(session, Call("POST", create_path, headers=headers, repeatable=True))
    location = urlsplit(reply.headers["location"])  # where the service says it is may not be how it is reached
    return location.path + (f"?{location.query}" if location.query else "")


def _offset(session: Session, upload: str, sha256: str) -> Flow[int | None]:
    """How much the service has; None if it does not know the upload any more, or it is one of other bytes."""
    reply = yield from attempt(session, Call("HEAD", upload, headers=_HEADERS))
    if reply.status in (404, 410):
        return None
    reply.checked()
    if _decoded(reply.headers.get("upload-metadata", "")).get("sha256") != sha256:
        return None
    return int(reply.headers["upload-offset"])


def _send_piece(
    session: Session, upload: str, file: LocalFile, offset: int, tracker: TransferTracker
) -> Flow[int | None]:
    """Send bytes from `offset`; returns where the upload stands then, None if the service has forgotten it."""
    size = min(CHUNK_BYTES, file.size_bytes - offset)
    headers = {**_HEADERS, "upload-offset": str(offset), "content-type": "application/offset+octet-stream"}
    body = Body(size, partial(_told, file, offset, size, tracker))
    reply = yield from attempt(session, Call("PATCH", upload, headers=headers, body=body, repeatable=False))
    if reply.status in (_LOCKED, _OFFSET_WRONG) or reply.status >= 500:
        raise ConflictError(f"http-{reply.status}", f"The upload of {file.name} is disturbed.", "Try again.")
    if reply.status in (404, 410):
        return None
    if not reply.ok:
        raise error_of(reply.status, reply.content, reply.headers.get("x-request-id"))
    return int(reply.headers["upload-offset"])


def _told(file: LocalFile, offset: int, size: int, tracker: TransferTracker) -> Iterator[bytes]:
    tracker.at(file.name, offset)
    for piece in file.pieces(offset, size):
        yield piece
        tracker.sent(file.name, len(piece))


def _encoded(metadata: Mapping[str, str]) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in metadata.items())


def _decoded(header: str) -> dict[str, str]:
    pairs = (part.strip().partition(" ") for part in header.split(",") if part.strip())
    return {name: base64.b64decode(value).decode("utf-8", errors="replace") for name, _, value in pairs}
