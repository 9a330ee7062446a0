"""Take in what an upload holds: a photograph, a zip archive of them, a video, or everything below a prefix of S3.

An import is a row in the database with a lease: the process that works at it reports its progress, and any other takes
it up from there when the reports stop. Taking the same photograph twice changes nothing, so no step can do harm twice.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import E2E3DError, InputError, MachineError
from e2e3d.pipeline.sources.source_files import MAX_PHOTO_BYTES, SourceEntry, in_order, list_archive
from e2e3d.pipeline.sources.source_set import is_photo
from e2e3d.pipeline.sources.zip_members import MemberError
from e2e3d.service.image_sets.records import Arrival, Finding
from e2e3d.service.intake.intake import ImportTarget, Intake, rejected
from e2e3d.service.intake.photo_check import FORMATS, looks_like_photo
from e2e3d.service.intake.upload_parts import arrived, opened, upload_folder
from e2e3d.service.intake.video_frames import frames_of_video, is_video
from e2e3d.service.uploads import queries as uploads
from e2e3d.service.uploads.records import UploadRecord
from e2e3d.storage.opening import open_objects

MAX_REMARKS = 500
_ZIP_START = b"PK"
_START_BYTES = 12
_log = logging.getLogger(__name__)


def is_zip(name: str, start: bytes) -> bool:
    """Whether a file is an archive, by its name or its first bytes."""
    return name.lower().endswith(".zip") or start[:2] == _ZIP_START


def allowed_prefix(prefix: str, allowed: Sequence[str]) -> str:
    """`prefix` without a slash at its end, if the deployment lets users import from there.

    Raises:
        InputError: ``prefix-not-allowed``.
    """
    plain = prefix.rstrip("/")
    parts = plain.removeprefix("s3://").split("/")
    inside = any(plain == each.rstrip("/") or plain.startswith(each.rstrip("/") + "/") for each in allowed)
    if not inside or any(part in ("", ".", "..") for part in parts):
        known = ", ".join(allowed) or "none"
        raise InputError(
            "prefix-not-allowed",
            f"Photographs cannot be imported from {prefix}.",
            f"This deployment allows: {known}. Ask the operator to allow another one.",
        )
    return plain


def waiting_imports(intake: Intake) -> tuple[tuple[str, str], ...]:
    """User and id of the imports that have not begun, or whose process died."""
    with intake.database.reading() as session:
        return uploads.waiting_imports(session, intake.clock())


def run_import(intake: Intake, upload_id: str, s3: S3Options) -> None:
    """Work at an import until it is done; nothing happens when it is done, or somebody works at it.

    What goes wrong unexpectedly ends the import: done again it would go wrong again.

    Raises:
        MachineError: of the store or the database; another call goes on from where this one came to.
    """
    with intake.database.session() as session:
        upload = uploads.claim_import(session, upload_id, intake.clock())
    if upload is None:
        return
    report = _Report(intake, upload)
    try:
        _import(intake, upload, s3, report)
    except MachineError:
        raise
    except E2E3DError as error:
        report.fail(error)
    except Exception:  # noqa: BLE001 - done again it would fail again, and for ever
        _log.exception("the import %s failed unexpectedly", upload_id)
        hint = "Send the photographs themselves, or tell the operator of the service the id of the upload."
        report.fail(InputError("import-failed", f"{upload.name} could not be taken in.", hint))


def _import(intake: Intake, upload: UploadRecord, s3: S3Options, report: _Report) -> None:
    if upload.kind == "s3" or not is_video(upload.name):
        _take_all(intake, upload, *_entries(intake, upload, s3), report)
        return
    with tempfile.TemporaryDirectory(prefix="e2e3d-video-") as folder:
        frames = frames_of_video(upload.name, opened(intake.files, upload), Path(folder), report.still_ours)
        if frames is not None:
            _take_all(intake, upload, frames, False, report)


def _take_all(
    intake: Intake, upload: UploadRecord, entries: Sequence[SourceEntry], choosy: bool, report: _Report
) -> None:
    target = ImportTarget(upload.user_id, upload.image_set_id)
    for entry in entries[report.progress.position :]:
        if not report.add(_take(intake, target, entry, choosy), len(entries)):
            return  # somebody else has taken it up, or the set is gone
    report.finish(len(entries), upload.name)


def _entries(intake: Intake, upload: UploadRecord, s3: S3Options) -> tuple[list[SourceEntry], bool]:
    """What the upload holds, and whether files in it that are no photographs are to be passed over."""
    if upload.kind == "s3":
        return _below_prefix(upload.name, s3), True
    file = opened(intake.files, upload)
    start = file.read(4)
    file.seek(0)
    if is_zip(upload.name, start):
        return list_archive(file, upload.name, upload.offset_bytes), True
    return [SourceEntry(upload.name, partial(_whole, intake, upload), None, upload.offset_bytes)], False


def _whole(intake: Intake, upload: UploadRecord) -> bytes:
    return b"".join(arrived(intake.files, upload))


def _below_prefix(prefix: str, s3: S3Options) -> list[SourceEntry]:
    files = open_objects(prefix, s3)
    found = {info.name: info.bytes for info in files.find()}
    return in_order(
        SourceEntry(name, partial(lambda name: b"".join(files.read(name)), name), None, size)
        for name, size in found.items()
    )


def _take(intake: Intake, target: ImportTarget, entry: SourceEntry, choosy: bool) -> Arrival:
    if entry.size_bytes is not None and entry.size_bytes > MAX_PHOTO_BYTES:
        error = InputError(
            "photo-too-large", f"{entry.name} is too large for a photograph.", f"At most {MAX_PHOTO_BYTES // 10**6} MB."
        )
        return rejected(entry.name, error)
    if choosy and not looks_like_photo(_start_of(entry)):
        return _no_photo(entry.name)
    data = entry.read()
    return intake.take(target, entry.name, hashlib.sha256(data).hexdigest(), lambda: data)


def _start_of(entry: SourceEntry) -> bytes:
    """Enough of a file to see what it is: most of an archive need not be unpacked for that."""
    if entry.open is None:
        return entry.read()
    try:
        with entry.open() as file:
            return file.read(_START_BYTES)
    except MemberError:
        return b""


def _no_photo(name: str) -> Arrival:
    if is_photo(name):
        message = f"{name} is empty, damaged inside its archive, or no photograph."
        return rejected(name, InputError("photo-unreadable", message, FORMATS))
    return Arrival(name, "ignored", None, (Finding("not-a-photograph", "No photograph by its name.", False),))


class _Report:
    """Writes down how far an import has come, every few files or seconds."""

    _FILES, _SECONDS = 20, 5.0

    def __init__(self, intake: Intake, upload: UploadRecord) -> None:
        self._intake = intake
        self._upload = upload
        self._token = upload.updated_at
        self._unsaved = 0
        self.progress = upload.progress

    def add(self, arrival: Arrival, total: int) -> bool:
        """Count a file; False when the import is no longer this process's."""
        before = self.progress
        counts = {arrival.outcome: getattr(before, arrival.outcome) + 1}
        remarks = before.remarks
        if arrival.findings and len(remarks) < MAX_REMARKS:
            remarks = (*remarks, replace(arrival, photo=None))
        self.progress = replace(before, position=before.position + 1, total=total, remarks=remarks, **counts)
        self._unsaved += arrival.photo is not None  # all else is soon looked at again
        return self._save("importing") if self._unsaved >= self._FILES else self.still_ours()

    def still_ours(self) -> bool:
        """Report that the work goes on, when the last report is some seconds old; False as :meth:`add`."""
        late = (self._intake.clock() - self._token).total_seconds() > self._SECONDS
        return self._save("importing") if late else True

    def finish(self, total: int, title: str) -> None:
        """Everything has been looked at."""
        self.progress = replace(self.progress, total=total)
        if self.progress.ignored == total:
            self.fail(InputError("no-photographs", f"{title} holds no photographs.", FORMATS))
            return
        self._end("done")

    def fail(self, error: E2E3DError) -> None:
        """Nothing more can be taken in."""
        self.progress = replace(
            self.progress, error_code=error.code, error_message=error.message, error_hint=error.hint
        )
        self._end("failed")

    def _end(self, state: str) -> None:
        if not self._save(state):
            return
        self._intake.files.delete_folder(upload_folder(self._upload.id))
        with self._intake.database.session() as session:
            uploads.forget_parts(session, self._upload.id)
        _log.info("import %s of %s: %s", state, self._upload.id, replace(self.progress, remarks=()))

    def _save(self, state: str) -> bool:
        now = self._intake.clock()
        with self._intake.database.session() as session:
            kept = uploads.save_import(session, self._upload.id, self._token, self.progress, state, now)
        self._token, self._unsaved = now, 0
        return kept
