"""Brings photographs into an image set: what the service knows already is not sent, what was begun is gone on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from e2e3d.client.errors import InvalidRequestError
from e2e3d.client.exchange import exchange
from e2e3d.client.flow import Compute, Flow, Pause, Together
from e2e3d.client.images import image_set
from e2e3d.client.local import LocalFile, PathLike, local_files, mask_files
from e2e3d.client.models import Arrival, ImageSet, Upload, UploadReport
from e2e3d.client.paging import all_items
from e2e3d.client.progress import TransferProgress, TransferTracker
from e2e3d.client.session import Session
from e2e3d.client.transfers import list_uploads, upload_state
from e2e3d.client.tus import send_file
from e2e3d.client.wire import Call, path

_AT_ONCE = 4
_ASKED_AT_ONCE = 500
_WAIT_FIRST_S, _WAIT_LONGEST_S = 0.1, 2.0
Item = TypeVar("Item")


def upload(
    session: Session,
    image_set_id: str,
    sources: PathLike | Sequence[PathLike],
    progress: Callable[[TransferProgress], None] | None = None,
    at_once: int = _AT_ONCE,
    masks: PathLike | None = None,
) -> Flow[UploadReport]:
    """Send photographs, and zip archives of photographs, into an image set; the same call resumes a broken one.

    Args:
        session: given by the client.
        image_set_id: where to.
        sources: files, and folders that are searched.
        progress: called as bytes go, by one thread at a time.
        at_once: files that are sent side by side.
        masks: a folder of masks for photographs of the set (non-zero = use), named as these; `sources` may be empty.

    Returns:
        What became of them, when all have been looked at.

    Raises:
        InputError: ``source-missing``, ``no-photographs``, ``same-name``, ``no-permission``, ``masks-archive``
            or ``file-changed``.
        ApiError: what the service said, such as ``quota-bytes``.
    """
    files: list[LocalFile] = yield Compute(lambda: _files(sources, masks))
    tracker = TransferTracker({file.name: file.size_bytes for file in files}, progress)
    hashes: list[str] = yield Together([_hash(file) for file in files], at_once)
    arrivals = yield from _take_known(session, image_set_id, files, hashes)
    there = {arrival.name for arrival in arrivals}
    for file in files:
        if file.name in there:
            tracker.finished(file.name, skipped=True)
    started = yield from _started(session, image_set_id)
    paths: list[str] = yield Together(
        [
            _send(session, image_set_id, file, sha256, started.get((file.name, file.size_bytes)), tracker)
            for file, sha256 in zip(files, hashes, strict=True)
            if file.name not in there
        ],
        at_once,
    )
    uploads = []
    for one in paths:
        uploads.append((yield from _taken_in(session, one.rsplit("/", 1)[-1])))
    current = yield from image_set(session, image_set_id)
    return _report(current, arrivals, uploads, tracker.state().bytes_sent)


def _files(sources: PathLike | Sequence[PathLike], masks: PathLike | None) -> list[LocalFile]:
    photographs = local_files(sources) if sources or masks is None else []
    return photographs + ([] if masks is None else mask_files(masks))


def _hash(file: LocalFile) -> Flow[str]:
    sha256: str = yield Compute(file.sha256)
    return sha256


def _take_known(
    session: Session, image_set_id: str, files: Sequence[LocalFile], hashes: Sequence[str]
) -> Flow[list[Arrival]]:
    """Have the service take photographs over that any set of the user has."""
    wanted = [
        {"name": file.name, "sha256": sha256} for file, sha256 in zip(files, hashes, strict=True) if not file.is_archive
    ]
    arrivals: list[Arrival] = []
    for start in range(0, len(wanted), _ASKED_AT_ONCE):
        body = {"photos": wanted[start : start + _ASKED_AT_ONCE]}
        call = Call("POST", path("image-sets", image_set_id, "photos", "known"), json=body, repeatable=True)
        answer = (yield from exchange(session, call)).json()
        arrivals += [Arrival.model_validate(one) for one in answer["items"]]
    return arrivals


def _started(session: Session, image_set_id: str) -> Flow[dict[tuple[str, int | None], str]]:
    """Uploads that were begun, by the name and size of their file."""
    found: list[Upload] = yield from all_items(lambda cursor: list_uploads(session, image_set_id, 200, cursor))
    open_ones = [one for one in found if one.kind == "tus" and one.state == "open"]
    return {(one.name, one.size_bytes): path("uploads", one.id) for one in reversed(open_ones)}


def _send(
    session: Session, image_set_id: str, file: LocalFile, sha256: str, started: str | None, tracker: TransferTracker
) -> Flow[str]:
    create_path = path("image-sets", image_set_id, "uploads")
    location = yield from send_file(session, create_path, file, sha256, started, tracker)
    tracker.finished(file.name)
    return location


def _taken_in(session: Session, upload_id: str) -> Flow[Upload]:
    """Wait until the photographs of an upload have been looked at."""
    pause_s = _WAIT_FIRST_S
    while True:
        one = yield from upload_state(session, upload_id)
        if one.state in ("done", "failed"):
            return one
        yield Pause(pause_s)
        pause_s = min(2 * pause_s, _WAIT_LONGEST_S)


def _report(
    image_set: ImageSet, arrivals: Sequence[Arrival], uploads: Sequence[Upload], bytes_sent: int
) -> UploadReport:
    failed = next((one for one in uploads if one.error is not None), None)
    if failed is not None and failed.error is not None:
        raise InvalidRequestError(failed.error.code, f"{failed.name}: {failed.error.detail}", failed.error.action)

    def count(outcome: str) -> int:
        return sum(one.outcome == outcome for one in arrivals) + sum(int(getattr(one, outcome)) for one in uploads)

    remarks = [arrival for arrival in arrivals if arrival.findings]
    remarks += [remark for one in uploads for remark in one.remarks]
    counts = {outcome: count(outcome) for outcome in ("added", "known", "rejected", "ignored")}
    return UploadReport(image_set=image_set, bytes_sent=bytes_sent, remarks=tuple(remarks), **counts)
