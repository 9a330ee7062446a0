"""Makes a backup: a moment of the database, and every object that it names.

Objects first, as the database names them now; then a snapshot of the database; then what it names beyond that. An
object that goes between the two (its owner deleted it) is missing although the snapshot names it: then the snapshot is
taken again. So a backup counts only when everything that its database names is in it, but for objects that were lost
before: those that are missing twice, and named by a snapshot that was taken in between.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, replace
from importlib.metadata import version

from e2e3d.config.deployment import ServiceSettings
from e2e3d.errors import MachineError
from e2e3d.service.administration import state
from e2e3d.service.backup import queries
from e2e3d.service.backup.backup_folder import BackupFolder, new_backup_id
from e2e3d.service.backup.database_dumps import Snapshot, snapshot
from e2e3d.service.backup.object_copies import ObjectCopies
from e2e3d.service.backup.records import Dump, Manifest, NamedObject
from e2e3d.service.backup.sealed_settings import encrypted_configuration
from e2e3d.service.database import Database
from e2e3d.storage.objects import ObjectStore

_SNAPSHOTS = 10
CONFIGURATION = "configuration.encrypted"


@dataclass(frozen=True)
class _Moment:
    """A snapshot of the database as it lies in the folder, how many objects it names, and which of them are lost."""

    backup_id: str
    at: datetime.datetime
    revision: str
    database: str
    dump: Dump
    objects: int
    object_bytes: int
    lost: Set[str] = frozenset()


def make_backup(
    settings: ServiceSettings,
    database: Database,
    files: ObjectStore,
    folder: BackupFolder,
    passphrase: str | None,
    clock: Callable[[], datetime.datetime],
    progress: Callable[[int], None] = lambda copied: None,
) -> Manifest:
    """Back up a service that runs or does not.

    Args:
        settings: written down, encrypted, when there is a passphrase.
        database: of the service; only a note of this backup is written there.
        files: its store; only read.
        folder: where to.
        passphrase: None leaves the configuration out.
        clock: the time, in UTC.
        progress: called with the number of objects copied so far.

    Raises:
        MachineError: of database, store or `folder`; what was copied is not copied again by the next backup.
    """
    began_at = clock()
    with folder.alone(began_at):
        copies = ObjectCopies(files, folder.objects, progress)
        moment = _complete_moment(database, folder, copies, clock)
        if passphrase is not None:
            content = encrypted_configuration(settings, passphrase)
            folder.write(folder.name(moment.backup_id, CONFIGURATION), [content])
        manifest = Manifest(
            id=moment.backup_id,
            version=version("e2e3d"),
            revision=moment.revision,
            database=moment.database,
            began_at=began_at,
            snapshot_at=moment.at,
            finished_at=clock(),
            dump=moment.dump,
            objects=moment.objects,
            object_bytes=moment.object_bytes,
            copied=copies.copied,
            copied_bytes=copies.copied_bytes,
            lost=tuple(sorted(moment.lost)),
            configuration=passphrase is not None,
        )
        folder.finish(manifest)
    note(database, "made", manifest, clock())
    return manifest


def copy_objects(
    database: Database,
    files: ObjectStore,
    folder: BackupFolder,
    clock: Callable[[], datetime.datetime],
    progress: Callable[[int], None] = lambda copied: None,
) -> tuple[int, int]:
    """Copy what the database names now and no backup has yet, without a snapshot; returns how many, and their bytes.

    For databases whose snapshots are made by archived write-ahead logs: between two backups this keeps the objects of
    every moment that can be recovered to.
    """
    with folder.alone(clock()):
        copies = ObjectCopies(files, folder.objects, progress)
        with database.reading() as session:
            copies.copy(queries.named_objects(session))
    return copies.copied, copies.copied_bytes


def note(database: Database, what: str, manifest: Manifest, at: datetime.datetime) -> None:
    """Write down in the database that a backup was ``made`` or ``verified``, for metrics and for people."""
    value = {
        "at": manifest.snapshot_at.isoformat(),
        "id": manifest.id,
        "objects": manifest.objects,
        "bytes": manifest.object_bytes + manifest.dump.bytes,
        "lost": len(manifest.lost),
        "seconds": (at - manifest.began_at).total_seconds() if what == "made" else None,
    }
    with database.session() as session:
        state.record_backup(session, what, value)


def _complete_moment(
    database: Database, folder: BackupFolder, copies: ObjectCopies, clock: Callable[[], datetime.datetime]
) -> _Moment:
    """A snapshot whose objects are all copied, but those that were lost before it.

    Raises:
        MachineError: ``backup-unsettled``.
    """
    with database.reading() as session:
        lost = copies.copy(queries.named_objects(session))
    for _ in range(_SNAPSHOTS):
        backup_id, at = new_backup_id(clock()), clock()
        with snapshot(database) as taken:
            moment = _write(folder, backup_id, at, taken)
            gone = copies.copy(taken.objects())
        if gone <= lost:
            return replace(moment, lost=gone)
        lost |= gone
    raise MachineError(
        "backup-unsettled",
        f"Objects were removed from the store during each of {_SNAPSHOTS} snapshots of the database.",
        "Try again when fewer results expire, or verify the store: e2e3d admin verify.",
    )


def _write(folder: BackupFolder, backup_id: str, at: datetime.datetime, taken: Snapshot) -> _Moment:
    """Write the dump of a snapshot, and the list of its objects."""
    suffix = "sqlite" if taken.kind == "sqlite" else "dump"
    name = folder.name(backup_id, f"database.{suffix}")
    size, sha256 = folder.write(name, taken.dump())
    objects = object_bytes = 0

    def counted() -> Iterator[NamedObject]:
        nonlocal objects, object_bytes
        for one in taken.objects():
            objects += 1
            object_bytes += one.bytes
            yield one

    folder.write_list(backup_id, counted())
    return _Moment(backup_id, at, taken.revision, taken.kind, Dump(name, size, sha256), objects, object_bytes)
