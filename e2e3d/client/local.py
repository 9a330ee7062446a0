"""Photographs on this machine: which files are sent, under which names, and how they are read."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e3d.config.frames import VIDEO_SUFFIXES
from e2e3d.errors import InputError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".webp", ".heic", ".heif", ".zip"})
"""What is sent of a folder: photographs, and zip archives of them. A video is sent when it is named itself."""

_BLOCK_BYTES = 256 << 10
PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class LocalFile:
    """A file to send: where it lies, its name in the image set, and its size."""

    path: Path
    name: str
    size_bytes: int

    @property
    def is_archive(self) -> bool:
        """Whether it holds photographs instead of being one: a zip archive, or a video."""
        return self.path.suffix.lower() in {".zip", *VIDEO_SUFFIXES}

    def sha256(self) -> str:
        """Of its bytes, as 64 hexadecimal digits."""
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def pieces(self, offset: int, size: int) -> Iterator[bytes]:
        """`size` bytes from `offset`. Raises InputError ``file-changed`` if the file has become shorter."""
        with open(self.path, "rb") as file:
            file.seek(offset)
            while size > 0:
                piece = file.read(min(size, _BLOCK_BYTES))
                if not piece:
                    raise InputError("file-changed", f"{self.path} changed while it was sent.", "Send it again.")
                size -= len(piece)
                yield piece


def local_files(sources: PathLike | Sequence[PathLike]) -> list[LocalFile]:
    """The photographs and archives that folders and files name; hidden ones in folders are left out.

    Raises:
        InputError: ``source-missing``, ``no-photographs``, ``no-permission``, or ``same-name`` if two would collide.
    """
    given = [Path(one) for one in ([sources] if isinstance(sources, str | os.PathLike) else sources)]
    found: dict[str, LocalFile] = {}
    for source in given:
        if not source.exists():
            raise InputError("source-missing", f"{source} does not exist.", "Check the path.")
        for path in _below(source) if source.is_dir() else [source]:
            name = path.relative_to(source).as_posix() if source.is_dir() else path.name
            if name in found and found[name].path.resolve() != path.resolve():
                raise InputError(
                    "same-name", f"{path} and {found[name].path} would both be {name}.", "Rename one of them."
                )
            found[name] = LocalFile(path, name, _size(path))
    if not found:
        raise InputError(
            "no-photographs",
            f"There are no photographs in {', '.join(map(str, given)) or 'nothing'}.",
            f"Files that are sent end with {', '.join(sorted(SUFFIXES))}.",
        )
    return list(found.values())


def mask_files(folder: PathLike) -> list[LocalFile]:
    """The masks in a folder, under the names by which jobs find them: in the folder ``masks`` of their image set.

    Raises:
        InputError: as :func:`local_files`, or ``masks-archive``.
    """
    found = local_files(folder)
    archive = next((file for file in found if file.is_archive), None)
    if archive is not None:
        raise InputError(
            "masks-archive", f"{archive.path} is an archive or a video.", "Unpack it: masks are sent as files."
        )
    return [dataclasses.replace(file, name=f"masks/{file.name}") for file in found]


def _below(folder: Path) -> Iterable[Path]:
    def refuse(error: OSError) -> None:
        raise _unreadable(Path(error.filename or folder), error) from error

    for root, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                yield path


def _size(path: Path) -> int:
    try:
        with open(path, "rb") as file:
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError("no-permission", f"{path} cannot be read: {error.strerror}.", "Correct its permissions.")
