"""Photographs whose bytes the store has lost: found before a job is queued, and when one meets them."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence

from e2e3d.errors import InputError
from e2e3d.service.database import Database
from e2e3d.service.image_sets import blob_queries as blobs
from e2e3d.storage.names import blob_name
from e2e3d.storage.objects import ObjectStore

_NAMED = 10


def lost_photographs(
    database: Database, files: ObjectStore, photographs: Sequence[tuple[str, str]], now: datetime.datetime
) -> tuple[str, ...]:
    """Names of those of `photographs` (name and SHA-256) whose bytes are not in the store as they were sent.

    Raises:
        MachineError: of the store or the database.
    """
    there = stored_hashes(database, files, {sha256 for _, sha256 in photographs}, now)
    return tuple(name for name, sha256 in photographs if sha256 not in there)


def stored_hashes(
    database: Database, files: ObjectStore, hashes: Collection[str], now: datetime.datetime
) -> frozenset[str]:
    """Those of `hashes` whose bytes the store has whole; the collector leaves them alone from now on.

    Raises:
        MachineError: of the store or the database.
    """
    with database.session() as session:
        known = blobs.touch(session, hashes, now)
    sizes = files.sizes([blob_name(sha256) for sha256 in known])
    return frozenset(
        sha256 for sha256, blob in known.items() if not blob.lost and sizes.get(blob_name(sha256)) == blob.bytes
    )


def photographs_gone(names: Sequence[str], total: int) -> InputError:
    """What is wrong with a job on photographs that are lost."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return InputError(
        "photographs-gone",
        f"The service no longer has {len(names)} of {total} photographs: {', '.join(names[:_NAMED])}{more}.",
        "Upload these photographs again to their image set, then submit or retry the job.",
    )
