"""Downloads all results of a job as one zip archive, which the service makes while it sends it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from e2e3d.client.errors import DamagedDownloadError
from e2e3d.client.exchange import exchange
from e2e3d.client.flow import Flow
from e2e3d.client.local import PathLike
from e2e3d.client.progress import TransferProgress, TransferTracker
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, Reply, path
from e2e3d.errors import MachineError


def download_archive(
    session: Session, job_id: str, target: PathLike, progress: Callable[[TransferProgress], None] | None = None
) -> Flow[Path]:
    """Download all results of a job as one zip archive. It cannot be resumed, as :meth:`Client.download` can.

    Args:
        session: given by the client.
        job_id: of which job.
        target: the file to write; it is there only when it is whole.
        progress: called as bytes come.

    Raises:
        NotFoundError: there is no such job.
        UnreachableError: the connection broke.
        DamagedDownloadError: it ended early.
        MachineError: ``cannot-write``.
    """
    target = Path(target)
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            writer = _ArchiveWriter(file, target.name, progress)
            call = Call("GET", path("jobs", job_id, "archive"), sink=writer.begin, repeatable=False)
            yield from exchange(session, call)
            writer.end()
        part.replace(target)
    except OSError as error:
        raise MachineError(
            "cannot-write", f"{target} cannot be written: {error.strerror}.", "Free some space, or name another file."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return target


class _ArchiveWriter:
    """Writes what comes, and knows from the head of the answer how much that must be."""

    def __init__(self, file: IO[bytes], name: str, progress: Callable[[TransferProgress], None] | None) -> None:
        self._file = file
        self._name = name
        self._progress = progress
        self._announced = 0

    def begin(self, reply: Reply) -> Callable[[bytes], None]:
        """The head of the answer has come."""
        self._announced = int(reply.headers.get("content-length", "0"))
        tracker = TransferTracker({self._name: self._announced}, self._progress)

        def write(piece: bytes) -> None:
            self._file.write(piece)
            tracker.sent(self._name, len(piece))

        return write

    def end(self) -> None:
        """Everything has come. Raises DamagedDownloadError if that is not what was announced."""
        if self._file.tell() != self._announced:
            raise DamagedDownloadError("damaged-download", f"{self._name} arrived incomplete.", "Try again.")
