"""What the service keeps belongs to its owner only: new files by the umask, older ones by a correction at the start."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from e2e3d.config.deployment import ServiceSettings

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_DATABASE_SUFFIXES = ("", "-wal", "-shm", "-journal")


def keep_files_private() -> None:
    """Let whatever this process and those below it write be for their owner only."""
    os.umask(_OTHERS)


def correct_permissions(settings: ServiceSettings) -> list[str]:
    """Take the rights of others off what earlier versions, or somebody's hand, left open; returns lines for the log.

    Below a home folder that is closed already nobody else reaches anything, so of the store only the folder is looked
    at then: it may hold millions of files.
    """
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    open_to_others = bool(settings.home.stat().st_mode & _OTHERS)
    corrected, refused = 0, 0
    for path in _kept(settings, with_store=open_to_others):
        with contextlib.suppress(FileNotFoundError):  # temporary files come and go
            mode = path.lstat().st_mode
            if mode & _OTHERS and not stat.S_ISLNK(mode):
                try:
                    path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
                    corrected += 1
                except PermissionError:
                    refused += 1
    lines = []
    if corrected:
        lines.append(f"{corrected} files and folders in {settings.home} were open to others; now only their owner may.")
    if refused:
        lines.append(
            f"{refused} files and folders in {settings.home} belong to somebody else, and stay open to others."
        )
    return lines


def _kept(settings: ServiceSettings, with_store: bool) -> Iterator[Path]:
    yield settings.home
    for folder, folders, names in os.walk(settings.home):
        yield from (Path(folder, name) for name in (*folders, *names))
        if not with_store and "store" in folders and Path(folder) == settings.home:
            folders.remove("store")
    if settings.database_file is not None and not settings.database_file.is_relative_to(settings.home):
        for suffix in _DATABASE_SUFFIXES:
            yield settings.database_file.with_name(settings.database_file.name + suffix)
