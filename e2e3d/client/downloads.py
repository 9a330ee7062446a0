"""Downloads results: several at once, each resumable and verified by its SHA-256."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from e2e3d.client.errors import ApiError, DamagedDownloadError, ServiceUnavailableError, UnreachableError
from e2e3d.client.exchange import attempt, pause_before
from e2e3d.client.flow import Compute, Flow, Pause
from e2e3d.client.models import Result
from e2e3d.client.progress import TransferTracker
from e2e3d.client.session import Session
from e2e3d.client.wire import Call, Reply
from e2e3d.errors import MachineError


def fetch_result(session: Session, result: Result, call: Call, folder: Path, tracker: TransferTracker) -> Flow[Path]:
    """Download one file into `folder`; a part that an earlier call has left there is gone on with.

    Raises:
        DamagedDownloadError: the bytes are not those that the service announced, twice.
        MachineError: the disk is full or may not be written.
    """
    target = _target(folder, result.path)
    if (yield Compute(lambda: _is_there(target, result))):
        tracker.finished(result.path, skipped=True)
        return target
    part = target.with_name(f".{target.name}.{result.sha256[:16]}.part")
    for repetition in (1, 2):
        sha256 = yield from _fill(session, result, call, part, tracker)
        if sha256 == result.sha256:
            part.replace(target)
            tracker.finished(result.path)
            return target
        part.unlink(missing_ok=True)
        if repetition == 2:
            raise DamagedDownloadError("damaged-download", f"{result.path} arrived damaged, twice.", "Try again later.")
    raise AssertionError("unreachable")


def _fill(session: Session, result: Result, call: Call, part: Path, tracker: TransferTracker) -> Flow[str]:
    """Download the rest of a part file; returns the SHA-256 of the whole."""
    deadline_s, tries = time.monotonic() + session.patience_s, 0
    while True:
        writer: _PartWriter = yield Compute(lambda: _PartWriter(part, result, tracker))
        begin = writer.size
        if begin >= result.bytes:
            return writer.close()
        headers = {**call.headers, "range": f"bytes={begin}-"}
        try:
            # not repeated by itself: the bytes that arrived must not arrive again
            asked = dataclasses.replace(call, headers=headers, sink=writer.begin, repeatable=False)
            reply = yield from attempt(session, asked)
            failure: ApiError = UnreachableError(f"{result.path} ended early.", sent=True)
            reply.checked()
        except (UnreachableError, ServiceUnavailableError) as error:
            failure = error
        except OSError as error:
            raise MachineError(
                "cannot-write",
                f"{part} cannot be written: {error.strerror}.",
                "Free some space, or name another folder.",
            ) from error
        finally:
            writer.close()
        if writer.size > begin:
            deadline_s, tries = time.monotonic() + session.patience_s, 0
        else:
            pause_s = pause_before(tries)
            if time.monotonic() + pause_s > deadline_s:
                raise failure
            tries += 1
            yield Pause(pause_s)


class _PartWriter:
    """Appends to a part file and hashes all of it."""

    def __init__(self, path: Path, result: Result, tracker: TransferTracker) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: Any = open(path, "a+b")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise MachineError(
                "cannot-write", f"{path} cannot be written: {error.strerror}.", "Name another folder."
            ) from error
        self._result = result
        self._tracker = tracker
        self._file.seek(0)
        self._digest = hashlib.file_digest(self._file, "sha256")
        self.size = self._file.seek(0, 2)
        if self.size > result.bytes:
            self._restart()
        tracker.at(result.path, self.size)

    def begin(self, reply: Reply) -> Callable[[bytes], None]:
        """The head of the answer has come: it may be the whole instead of the rest."""
        if reply.status != 206 and self.size:
            self._restart()
        return self._write

    def close(self) -> str:
        """Close the file; returns the SHA-256 of what it holds."""
        self._file.close()
        return self._digest.hexdigest()

    def _write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)
        self._tracker.sent(self._result.path, len(piece))

    def _restart(self) -> None:
        self._file.truncate(0)
        self._digest = hashlib.sha256()
        self.size = 0
        self._tracker.at(self._result.path, 0)


def _target(folder: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\\" in name or any(part in ("..", ".") for part in parts):
        raise DamagedDownloadError("unsafe-name", f"The service names a file {name!r}.", "It is not downloaded.")
    return folder.joinpath(*parts)


def _is_there(target: Path, result: Result) -> bool:
    try:
        if target.stat().st_size != result.bytes:
            return False
        with open(target, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == result.sha256
    except OSError:
        return False
