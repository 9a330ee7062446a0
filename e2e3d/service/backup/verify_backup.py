"""Tries a backup out: restores its database into a scratch place, and compares every row with the copied objects."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from itertools import islice

from e2e3d.service.backup import queries
from e2e3d.service.backup.backup_folder import BackupFolder
from e2e3d.service.backup.database_dumps import load, scratch_database
from e2e3d.service.backup.records import Manifest
from e2e3d.service.backup.restore_backup import checked_dump, require_known_revision
from e2e3d.service.database import Database, upgrade
from e2e3d.service.verification.records import LostFile
from e2e3d.service.verification.verify import Verified, verify
from e2e3d.storage.objects import ObjectStore

_BATCH = 500


def verify_backup(
    database: Database,
    folder: BackupFolder,
    manifest: Manifest,
    clock: Callable[[], datetime.datetime],
    progress: Callable[[Verified], None] = lambda verified: None,
) -> Verified:
    """Restore the database of a backup beside the service, and read all objects that it names, by SHA-256.

    Args:
        database: of the service; a scratch database is made on its server for a backup of PostgreSQL.
        folder: where the backup lies.
        manifest: of the backup.
        clock: the time, in UTC.
        progress: called now and then with what was found so far.

    Raises:
        InputError: ``backup-newer``, ``backup-other-database``.
        MachineError: ``backup-damaged``, ``scratch-refused``, ``load-failed``.
    """
    require_known_revision(manifest)
    with scratch_database(database, manifest.database) as scratch:
        load(scratch, manifest.database, checked_dump(folder, manifest))
        upgrade(scratch)
        verified = verify(scratch, folder.objects, True, clock, progress)
        verified.lost += _lost_pieces(scratch, folder.objects)
    return verified


def _lost_pieces(scratch: Database, objects: ObjectStore) -> Iterator[LostFile]:
    """Pieces of uploads under way that are not there, or have another length: the database knows no hash of them."""
    with scratch.reading() as session:
        pieces = (one for one in queries.named_objects(session) if one.sha256 is None)
        while batch := list(islice(pieces, _BATCH)):
            sizes = objects.sizes([one.name for one in batch])
            for one in batch:
                if sizes.get(one.name) != one.bytes:
                    upload_id = one.name.split("/")[1]
                    yield LostFile("upload", upload_id, "", one.name, "", "missing")
