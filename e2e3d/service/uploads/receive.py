"""Receive files one after another: photographs over a temporary file, archives and videos straight into the store."""

from __future__ import annotations

import datetime
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

from e2e3d.errors import InputError
from e2e3d.pipeline.sources.source_files import MAX_PHOTO_BYTES
from e2e3d.service.accounts import quotas as usage
from e2e3d.service.http.user_threads import UserThreads
from e2e3d.service.image_sets.records import Arrival
from e2e3d.service.intake.imports import is_zip
from e2e3d.service.intake.intake import ImportTarget, Intake, rejected
from e2e3d.service.intake.photo_check import FORMATS, looks_like_photo
from e2e3d.service.intake.photo_names import safe_name
from e2e3d.service.intake.upload_parts import PartWriter, upload_folder
from e2e3d.service.intake.video_frames import is_video
from e2e3d.service.uploads import queries as uploads
from e2e3d.service.uploads.multipart_form import FileData, FileEnd, FileStart, FormReader

_GATHER_BYTES = 1 << 20
_SPOOL_BYTES = 1 << 20


@dataclass(frozen=True)
class ReceiveContext:
    """What receiving needs.

    Attributes:
        max_bytes: of one file.
        keep: how long an archive that is being taken in stays.
        start_import: begins to take in an archive, by the id of its upload.
        threads: where its user waits for disks, servers, and a turn at the processes that look at photographs.
    """

    intake: Intake
    target: ImportTarget
    max_bytes: int
    keep: datetime.timedelta
    start_import: Callable[[str], object]
    threads: UserThreads


async def receive_form(reception: ReceiveContext, content_type: str, body: AsyncIterator[bytes]) -> list[Arrival]:
    """Take in every file of a form; what arrived before the client went away stays, the file in the middle does not.

    Raises:
        BodyError: when it is no form.
        InputError: ``quota-bytes``, ``image-set-gone``.
        ClientDisconnect: when the client went away.
    """
    reader = FormReader(content_type)
    arrivals: list[Arrival] = []
    file: _ArrivingFile | None = None
    threads, user_id = reception.threads, reception.target.user_id
    try:
        async for chunk in body:
            for event in reader.feed(chunk):
                match event:
                    case FileStart(name):
                        file = _ArrivingFile(reception, name)
                    case FileData(data) if file is not None and file.gather(data):
                        await threads.run(user_id, file.write)
                    case FileEnd() if file is not None:
                        arrivals.append(await threads.run(user_id, file.finish))
                        file = None
        reader.close()
    finally:
        if file is not None:
            await threads.run(user_id, file.abandon)
    return arrivals


class _ArrivingFile:
    """One file on its way; all methods but :meth:`gather` may wait for disks and servers."""

    def __init__(self, reception: ReceiveContext, name: str) -> None:
        self._to = reception
        self._name = name
        self._waiting = bytearray()
        self._sink: _Photo | _Archive | None = None
        self._bytes = 0
        self._refused: InputError | None = None

    def gather(self, data: bytes) -> bool:
        """Keep data; True when there is enough of it to be written."""
        self._waiting += data
        return len(self._waiting) >= _GATHER_BYTES

    def write(self) -> None:
        """Write what is waiting."""
        data = bytes(self._waiting)
        self._waiting.clear()
        self._bytes += len(data)
        if self._refused is not None:
            return  # the rest of the form may be good
        try:
            if self._sink is None:
                self._sink = self._open(data)
            limit = self._to.max_bytes if isinstance(self._sink, _Archive) else min(MAX_PHOTO_BYTES, self._to.max_bytes)
            if self._bytes > limit:
                message = f"{self._name} is longer than {limit // 10**6} MB."
                raise InputError("file-too-large", message, "Send less, or ask an administrator for a higher limit.")
            self._sink.write(data)
        except InputError as error:
            self._discard()
            self._refused = error

    def finish(self) -> Arrival:
        """The file is whole: take it in."""
        self.write()
        if self._refused is not None:
            if self._refused.code.startswith("quota"):
                raise self._refused
            return rejected(self._name, self._refused)
        assert self._sink is not None
        try:
            return self._sink.finish()
        finally:
            self._discard()

    def abandon(self) -> None:
        """The client went away in the middle."""
        self._discard()

    def _open(self, start: bytes) -> _Photo | _Archive:
        if is_zip(self._name, start) or is_video(self._name):
            return _Archive(self._to, safe_name(self._name))
        if not looks_like_photo(start):
            raise InputError("not-a-photograph", f"{self._name} is no photograph.", FORMATS)
        return _Photo(self._to, self._name)

    def _discard(self) -> None:
        if self._sink is not None:
            self._sink.close()
        self._sink = None


class _Photo:
    def __init__(self, reception: ReceiveContext, name: str) -> None:
        self._to = reception
        self._name = name
        self._digest = hashlib.sha256()
        self._file = cast(BinaryIO, tempfile.SpooledTemporaryFile(_SPOOL_BYTES))  # noqa: SIM115

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)

    def finish(self) -> Arrival:
        return self._to.intake.take(self._to.target, self._name, self._digest.hexdigest(), self._read)

    def _read(self) -> bytes:
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        self._file.close()


class _Archive:
    """An archive or a video becomes an upload that has arrived; it is taken in while the client waits or not."""

    def __init__(self, reception: ReceiveContext, name: str) -> None:
        self._to = reception
        self._name = name
        intake, target, now = reception.intake, reception.target, reception.intake.clock()
        with intake.database.session() as session:
            self._upload = uploads.create(
                session, target.user_id, target.image_set_id, "tus", name, None, now + reception.keep, now
            )
        self._writer = PartWriter(intake.files, self._upload.id, 0)
        self._handed_over = False

    def write(self, data: bytes) -> None:
        if self._writer.add(data):
            self._flush()

    def finish(self) -> Arrival:
        self._flush()
        with self._to.intake.database.session() as session:
            uploads.set_size(session, self._upload.id, self._writer.offset_bytes)
            self._handed_over = uploads.begin_import(session, self._upload.id)
        self._to.start_import(self._upload.id)
        return Arrival(self._name, "importing", upload_id=self._upload.id)

    def close(self) -> None:
        if self._handed_over:
            return
        self._to.intake.files.delete_folder(upload_folder(self._upload.id))
        with self._to.intake.database.session() as session:
            uploads.delete(session, self._upload.id)

    def _flush(self) -> None:
        offset = self._writer.offset_bytes
        part = self._writer.flush()
        if part is None:
            return
        intake = self._to.intake
        with intake.database.session() as session:
            going = uploads.advance(session, self._upload.id, offset, (part,), intake.clock())
            usage.require(session, self._to.target.user_id, 0)  # how much comes was not known before
        if not going:
            raise InputError("image-set-gone", "The image set was deleted.", "Create another one, and send it again.")
