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
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from e2e3d.errors import InputError
from e2e3d.jobs.result_folders import names_in_results
from e2e3d.jobs.workspace import PRIVATE_FOLDER

MAX_ZIP_ENTRIES = 100_000
MAX_ZIP_BYTES = 200_000_000_000
MAX_ENTRY_BYTES = 20_000_000_000
MAX_ZIP_RATIO = 100.0
"""Photographs hardly compress; an archive that grows more than this, and beyond a few megabytes, is a bomb."""

MAX_ZIP_DIRECTORY_BYTES = 64_000_000
"""Of the table of contents, which is held in memory; 100,000 files with long names need less."""

_RATIO_FREE_BYTES = 50_000_000
_ZIP_TAIL_BYTES = 66_000  # the end record, a comment of any length, and the records of ZIP64
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
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
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
    _check_directory(file, title, size_bytes)
    try:
        archive = zipfile.ZipFile(file)  # the entries share it; it closes with the last of them
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InputError(
            "zip-broken", f"{title} is not a whole zip archive ({error}).", "Make or download the archive again."
        ) from error
    members = [member for member in archive.infolist() if not member.is_dir()]
    _check_size(title, size_bytes, members)
    entries: dict[str, SourceEntry] = {}
    for member in members:
        name = _safe_name(title, member)
        if name in entries:
            raise InputError("zip-unsafe-name", f"{title} holds {name} twice.", "Make the archive again.")
        if not any(is_hidden(part) for part in PurePosixPath(name).parts):
            read, opened = partial(_read_member, archive, member), partial(archive.open, member)
            entries[name] = SourceEntry(name, read, size_bytes=member.file_size, open=opened)
    return in_order(entries.values())


def _check_directory(file: BinaryIO, title: str, size_bytes: int) -> None:
    """Look how long the table of contents says it is, before it is read (APPNOTE.TXT 4.3.14 and 4.3.16)."""
    file.seek(max(0, size_bytes - _ZIP_TAIL_BYTES))
    tail = file.read(_ZIP_TAIL_BYTES)
    end, large = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    length = 0
    if 0 <= end <= len(tail) - 16:
        length = int.from_bytes(tail[end + 12 : end + 16], "little")
    if length == 0xFFFFFFFF and 0 <= large <= len(tail) - 48:
        length = int.from_bytes(tail[large + 40 : large + 48], "little")
    if MAX_ZIP_DIRECTORY_BYTES < length <= size_bytes:
        raise InputError(
            "zip-too-large",
            f"The table of contents of {title} has {length / 1e6:.0f} MB.",
            f"At most {MAX_ZIP_ENTRIES} files. Put only the photographs into the archive.",
        )
    file.seek(0)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(member)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return b""
    except OSError as error:
        raise _cannot_read(str(archive.filename), error) from error


def _check_size(title: str, size_bytes: int, members: list[zipfile.ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    hint = "Put only the photographs into the archive, or give the folder."
    if len(members) > MAX_ZIP_ENTRIES:
        raise InputError("zip-too-large", f"{title} holds {len(members)} files.", f"At most {MAX_ZIP_ENTRIES}. {hint}")
    if total > MAX_ZIP_BYTES or any(member.file_size > MAX_ENTRY_BYTES for member in members):
        raise InputError("zip-too-large", f"{title} would unpack to {total / 1e9:.1f} GB.", hint)
    if total > _RATIO_FREE_BYTES and total > MAX_ZIP_RATIO * size_bytes:
        ratio = total / size_bytes
        message = f"{title} would unpack to {ratio:.0f} times its size ({total / 1e6:.0f} MB): a zip bomb."
        raise InputError("zip-too-large", message, hint)


def _safe_name(title: str, member: zipfile.ZipInfo) -> str:
    name = member.filename.replace("\\", "/")
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
