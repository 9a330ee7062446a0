"""Where photographs come from: the files of a folder or of a zip archive, listed safely and read one at a time."""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import re
import shutil
import stat
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from e2e3d.errors import E2E3DError, InputError
from e2e3d.pipeline.sources.result_folders import names_in_results
from e2e3d.pipeline.sources.zip_members import MemberError, MemberFile
from e2e3d.pipeline.workspace import PRIVATE_FOLDER

MAX_PHOTO_BYTES = 512_000_000
"""Of one photograph; a member of an archive that is longer is no photograph, and is not read into memory."""

MAX_ZIP_ENTRIES = 100_000
MAX_ZIP_BYTES = 200_000_000_000
MAX_ENTRY_BYTES = 20_000_000_000
MAX_ZIP_RATIO = 100.0
"""Photographs hardly compress; an archive that grows more than this, and beyond a few megabytes, is a bomb."""

MAX_ZIP_DIRECTORY_BYTES = 64_000_000
"""Of the table of contents, which is held in memory; 100,000 files with long names need less."""

MAX_ENTRY_NAME = 1024
"""Characters of a name with its folders, as in S3; what is wrong with a file repeats its name."""

_RATIO_FREE_BYTES = 50_000_000
_HEADER_BYTES = 30  # of a member, at least
_COPY_BYTES = 1 << 20
_SYSTEM_FOLDERS = frozenset({"__macosx", "@eadir"})


@dataclass(frozen=True)
class SourceEntry:
    """A file of the source.

    Attributes:
        name: its path inside the source.
        read: gives its bytes.
        sha256: of its bytes, if the store has them.
        size_bytes: how long it says it is, where the source says so.
        open: gives it as a file, where it may be too large for memory.
    """

    name: str
    read: Callable[[], bytes]
    sha256: str | None = None
    size_bytes: int | None = None
    open: Callable[[], IO[bytes]] | None = None


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts IMG_2 before IMG_10."""
    parts = re.split(r"(\d+)", name.lower())
    return (*((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts), (2, 0, name))


def list_folder(folder: Path) -> list[SourceEntry]:
    """All files below `folder` in natural order; hidden files and folders are left out, links are followed.

    Result folders inside it are left out too, whether run here or downloaded: their textures are no photographs.

    A file that may not be read is read as no bytes at all, so that it is reported like any unreadable photograph.

    Raises:
        InputError: ``no-permission`` when a folder may not be read.
    """

    def refuse(error: OSError) -> None:
        raise _cannot_read(str(error.filename or folder), error) from error

    entries = []
    visited = set()
    for root, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        visited.add(os.path.realpath(root))
        folders[:] = [
            name
            for name in folders
            if not is_hidden(name)
            and not Path(root, name, PRIVATE_FOLDER).is_dir()
            and os.path.realpath(os.path.join(root, name)) not in visited
        ]
        for name in files:
            path = Path(root, name)
            if not is_hidden(name):
                printable = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")
                entries.append(SourceEntry(printable, partial(_read_or_nothing, path), open=partial(_open, path)))
    return in_order(entries)


def in_order(entries: Iterable[SourceEntry]) -> list[SourceEntry]:
    """The entries in natural order, without the results of runs among them."""
    found = list(entries)
    written = names_in_results(entry.name for entry in found)
    return sorted((entry for entry in found if entry.name not in written), key=lambda entry: natural_key(entry.name))


@contextlib.contextmanager
def mapped(entry: SourceEntry) -> Iterator[memoryview]:
    """The bytes of an entry without holding them in memory: the file mapped, or a temporary copy of it.

    Raises:
        InputError: ``no-permission`` or ``source-unreadable``.
    """
    if entry.open is None:
        yield memoryview(entry.read())
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(entry.open())
            if not isinstance(file, io.BufferedReader):
                packed, file = file, stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(packed, file, _COPY_BYTES)
                file.flush()
            size = os.fstat(file.fileno()).st_size
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")
        except MemberError:
            view = memoryview(b"")
        except OSError as error:
            raise _cannot_read(entry.name, error) from error
        yield view


def read_file(path: Path) -> bytes:
    """Read a file.

    Raises:
        InputError: ``no-permission`` or ``source-unreadable``.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise _cannot_read(str(path), error) from error


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _read_or_nothing(path: Path) -> bytes:
    try:
        return read_file(path)
    except InputError:
        return b""


def list_zip(path: Path) -> list[SourceEntry]:
    """All files of a zip archive in natural order, after the whole directory has been found safe.

    An entry whose data are damaged is read as no bytes at all, so that it is reported like any unreadable photograph.

    Raises:
        InputError: ``zip-broken``, ``zip-encrypted``, ``zip-unsafe-name``, ``zip-too-large``, ``no-permission``.
    """
    try:
        return list_archive(path.open("rb"), path.name, path.stat().st_size)
    except OSError as error:
        raise _cannot_read(str(path), error) from error


def list_archive(file: BinaryIO, title: str, size_bytes: int) -> list[SourceEntry]:
    """The same for an archive of `size_bytes` that is open already; `title` names it in errors.

    Raises:
        InputError: as :func:`list_zip`.
    """
    try:
        members = [member for member in zipfile.ZipFile(_Directory(file, title)).infolist() if not member.is_dir()]
    except E2E3DError:
        raise
    except Exception as error:  # a damaged directory makes the reader raise anything
        raise InputError(
            "zip-broken", f"{title} is not a whole zip archive ({error}).", "Make or download the archive again."
        ) from error
    _check_size(title, size_bytes, members)
    _check_overlap(title, members)
    lock = threading.Lock()
    entries: dict[str, SourceEntry] = {}
    for member in members:
        name = _safe_name(title, member)
        if name in entries:
            raise InputError("zip-unsafe-name", f"{title} holds {name} twice.", "Make the archive again.")
        if not any(is_hidden(part) for part in PurePosixPath(name).parts):
            opened = cast(Callable[[], IO[bytes]], partial(MemberFile, file, lock, member))
            read = partial(_read_member, title, member.file_size, opened)
            entries[name] = SourceEntry(name, read, size_bytes=member.file_size, open=opened)
    return in_order(entries.values())


class _Directory:
    """An archive while its table of contents is read: at once, so a read that is too large, or of too many, is refused.

    The reader looks for the table in several places, and believes what stands there; this sees what it really reads.
    """

    def __init__(self, file: BinaryIO, title: str) -> None:
        self._file = file
        self._title = title
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, MAX_ZIP_DIRECTORY_BYTES + 1) if size >= 0 else MAX_ZIP_DIRECTORY_BYTES + 1)
        if len(data) > MAX_ZIP_DIRECTORY_BYTES:
            raise _too_large(self._title, f"has a table of contents of more than {MAX_ZIP_DIRECTORY_BYTES} bytes")
        count = data.count(b"PK\x01\x02")
        if count > MAX_ZIP_ENTRIES:
            raise _too_large(self._title, f"holds {count} files")
        return data


def _read_member(title: str, size_bytes: int, opened: Callable[[], IO[bytes]]) -> bytes:
    if size_bytes > MAX_PHOTO_BYTES:
        return b""
    data = io.BytesIO()
    try:
        with opened() as file:
            shutil.copyfileobj(file, data, _COPY_BYTES)
    except MemberError:
        return b""
    except OSError as error:
        raise _cannot_read(title, error) from error
    return data.getvalue()


def _check_size(title: str, size_bytes: int, members: list[zipfile.ZipInfo]) -> None:
    """Sums of what the directory says; that a member holds no more than that is seen when it is read."""
    total = sum(member.file_size for member in members)
    if total > MAX_ZIP_BYTES or any(member.file_size > MAX_ENTRY_BYTES for member in members):
        raise _too_large(title, f"would unpack to {total / 1e9:.1f} GB")
    if total > _RATIO_FREE_BYTES and total > MAX_ZIP_RATIO * size_bytes:
        ratio = total / size_bytes
        raise _too_large(title, f"would unpack to {ratio:.0f} times its size ({total / 1e6:.0f} MB): a zip bomb")


def _check_overlap(title: str, members: list[zipfile.ZipInfo]) -> None:
    """Members that share packed bytes make a small archive unpack to anything (Fifield, "A better zip bomb", 2019)."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise InputError(
                "zip-broken", f"{title} holds files that overlap ({member.filename[:100]}).", "Make the archive again."
            )
        end = member.header_offset + _HEADER_BYTES + member.compress_size


def _too_large(title: str, what: str) -> InputError:
    return InputError(
        "zip-too-large",
        f"{title} {what}.",
        f"At most {MAX_ZIP_ENTRIES} files. Put only the photographs into the archive, or give the folder.",
    )


def _safe_name(title: str, member: zipfile.ZipInfo) -> str:
    name = member.filename.replace("\\", "/")
    if len(name) > MAX_ENTRY_NAME:
        raise InputError(
            "zip-unsafe-name",
            f"{title} holds a file whose name has {len(name)} characters ({name[:40]}…).",
            f"At most {MAX_ENTRY_NAME}. Make the archive again with shorter names.",
        )
    parts = PurePosixPath(name).parts
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in parts or not parts:
        raise InputError(
            "zip-unsafe-name",
            f"{title} holds a file named {member.filename!r}, which points outside of the archive.",
            "Do not trust this archive, or make it again with relative names.",
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError(
            "zip-unsafe-name", f"{title} holds a symbolic link ({name}).", "Put the files themselves into it."
        )
    if member.flag_bits & 0x1:
        raise InputError("zip-encrypted", f"{title} is protected by a password.", "Give an archive without one.")
    return PurePosixPath(name).as_posix()


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is the system's, not the user's."""
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS or name.lower() in ("thumbs.db", "desktop.ini")


def _cannot_read(name: str, error: OSError) -> InputError:
    if isinstance(error, PermissionError):
        return InputError("no-permission", f"There is no permission to read {name}.", "Change the file's permissions.")
    return InputError("source-unreadable", f"{name} cannot be read ({error.strerror or error}).", "Check the disk.")
