"""Brings a backup back: the objects first, then the database, so that no row ever names an object that is not there."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from e2e3d.errors import InputError, MachineError
from e2e3d.service.backup import queries
from e2e3d.service.backup.backup_folder import BackupFolder, damaged
from e2e3d.service.backup.database_dumps import load, require_empty
from e2e3d.service.backup.object_copies import ObjectCopies
from e2e3d.service.backup.records import Manifest
from e2e3d.service.database import Database, known_revision, upgrade
from e2e3d.storage.objects import ObjectStore


@dataclass(frozen=True)
class Restored:
    """What was brought back; `lacking` are names of objects that neither the store nor the backup has."""

    copied: int
    copied_bytes: int
    lacking: tuple[str, ...]
    given_up_uploads: int = 0


def restore_backup(
    database: Database,
    files: ObjectStore,
    folder: BackupFolder,
    manifest: Manifest,
    now: datetime.datetime,
    progress: Callable[[int], None] = lambda copied: None,
) -> Restored:
    """Restore into an empty database, and put what its rows name into the store; run it before the service starts.

    Tables of an earlier version are migrated. It may be cut off and begun again: the database is filled last, at once.

    Raises:
        InputError: ``database-not-empty``, ``backup-newer``, ``backup-other-database``.
        MachineError: ``backup-damaged``; of the database or the stores.
    """
    require_empty(database)
    require_known_revision(manifest)
    _check_dump(folder, manifest)
    copies = ObjectCopies(folder.objects, files, progress)
    lacking = copies.copy(folder.read_list(manifest.id))
    load(database, manifest.database, folder.read(manifest.dump.name))
    upgrade(database)
    with database.session() as session:
        given_up = queries.expire_presigned(session, now)
    return Restored(copies.copied, copies.copied_bytes, tuple(sorted(lacking)), given_up)


def restore_objects(
    database: Database, files: ObjectStore, folder: BackupFolder, progress: Callable[[int], None] = lambda copied: None
) -> Restored:
    """Put what a database that was recovered in another way names, and the store lacks, back into the store."""
    copies = ObjectCopies(folder.objects, files, progress)
    with database.reading() as session:
        lacking = copies.copy(queries.named_objects(session))
    return Restored(copies.copied, copies.copied_bytes, tuple(sorted(lacking)))


def require_known_revision(manifest: Manifest) -> None:
    """Refuse tables that a later version has made. Raises InputError ``backup-newer``."""
    if not known_revision(manifest.revision):
        raise InputError(
            "backup-newer",
            f"The backup {manifest.id} has the tables of E2E3D {manifest.version}, which this version does not know.",
            "Install that version, or a later one, and restore again.",
        )


def _check_dump(folder: BackupFolder, manifest: Manifest) -> None:
    """Read the dump once before anything is changed. Raises MachineError ``backup-damaged``."""
    digest = hashlib.sha256()
    for block in folder.read(manifest.dump.name):
        digest.update(block)
    if digest.hexdigest() != manifest.dump.sha256:
        raise damaged(f"{manifest.dump.name} is not what was written")


def checked_dump(folder: BackupFolder, manifest: Manifest) -> Iterator[bytes]:
    """The dump of a backup, read twice: once to compare its hash. Raises MachineError ``backup-damaged``."""
    _check_dump(folder, manifest)
    return folder.read(manifest.dump.name)


def lost_error(lacking: int, where: str) -> MachineError:
    """What a restore that is not whole ends with."""
    return MachineError(
        "bytes-lost",
        f"{lacking} objects that the database names are neither in the store nor in {where}.",
        "Whose they are says: e2e3d admin verify. Everything else is restored.",
    )
