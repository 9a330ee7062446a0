"""The photographs of a set: what they are without reading them, and a copy on this machine where they lie in S3."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from e2e3d.batch.requests import ImageSet
from e2e3d.config.deployment.s3 import S3Options
from e2e3d.config.frames import VIDEO_SUFFIXES
from e2e3d.errors import InputError
from e2e3d.storage.objects import ObjectStore
from e2e3d.storage.opening import open_objects

_FILE_SUFFIXES = VIDEO_SUFFIXES | {".zip"}


def listing(image_set: ImageSet, s3: S3Options) -> str:
    """Names, lengths and times of the files that a set is made from; it changes when one of them does.

    Raises:
        InputError: ``no-such-path`` when there is none.
        MachineError: as the store says.
    """
    paths = (image_set.photos, image_set.masks, image_set.intrinsics)
    return json.dumps([list(_files_of(path, s3)) for path in paths if path is not None])


def local_copy(photos: str, s3: S3Options, folder: Path) -> Path:
    """The path of photographs on this machine; what lies in S3 is copied below `folder`.

    Raises:
        InputError: ``no-such-path`` when there is none.
        MachineError: as the store says, or ``disk-full``.
    """
    if not photos.startswith("s3://"):
        return Path(photos)
    files, wanted = _open(photos, s3)
    names = [wanted] if wanted else sorted(info.name for info in files.find() if not info.name.endswith("/"))
    if not names:
        raise _missing(photos)
    target = open_objects(str(folder))
    try:
        for name in names:
            target.write(name, files.read(name))
    except FileNotFoundError as error:
        raise _missing(photos) from error
    return folder / wanted if wanted else folder


def _files_of(path: str, s3: S3Options) -> Iterator[tuple[str, int, int]]:
    """Name, length and time of change (0 in S3, where the length must do)."""
    if path.startswith("s3://"):
        files, wanted = _open(path, s3)
        size = files.size(wanted) if wanted else None
        found = [(wanted, size, 0)] if wanted and size is not None else []
        found += [] if wanted else sorted((info.name, info.bytes, 0) for info in files.find())
        if not found:
            raise _missing(path)
        yield from found
        return
    root = Path(path)
    if not root.exists():
        raise _missing(path)
    below = sorted(Path(at) / name for at, _, names in os.walk(root) for name in names) if root.is_dir() else [root]
    for file in below:
        status = file.stat()
        yield str(file), status.st_size, status.st_mtime_ns


def _open(url: str, s3: S3Options) -> tuple[ObjectStore, str]:
    """The files of a prefix, and the one that is meant where the URL names an archive or a video."""
    parent, _, name = url.rstrip("/").rpartition("/")
    if PurePosixPath(name).suffix.lower() in _FILE_SUFFIXES:
        return open_objects(parent, s3), name
    return open_objects(url.rstrip("/"), s3), ""


def _missing(path: str) -> InputError:
    return InputError("no-such-path", f"There is nothing at {path}.", "Check the path.")
