"""Compares the database with the store: which photographs and results it should have and does not."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from e2e3d.service.database import Database
from e2e3d.service.image_sets import blob_queries as blobs
from e2e3d.service.verification import queries as verification
from e2e3d.service.verification.records import LostFile, StoredFile
from e2e3d.storage.names import blob_name
from e2e3d.storage.objects import ObjectStore

_BATCH = 500


@dataclass
class Verified:
    """What was looked at, and what is lost."""

    blobs: int = 0
    results: int = 0
    read_bytes: int = 0
    lost: list[LostFile] = field(default_factory=list)


def verify(
    database: Database,
    files: ObjectStore,
    deep: bool,
    clock: Callable[[], datetime.datetime],
    progress: Callable[[Verified], None] = lambda verified: None,
) -> Verified:
    """Look for every file that the database names; may run beside the service.

    The store is only read. Photographs that are lost are noted in the database: from then on they count as unknown, so
    the next upload of the same bytes writes them again.

    Args:
        database: what should be there.
        files: what is there.
        deep: also read every file and compare its SHA-256.
        clock: the time, in UTC.
        progress: called now and then with what was found so far.

    Raises:
        MachineError: of the store or the database.
    """
    verified = Verified()
    _verify_blobs(database, files, deep, clock, verified, progress)
    _verify_results(database, files, deep, verified, progress)
    return verified


def _verify_blobs(
    database: Database,
    files: ObjectStore,
    deep: bool,
    clock: Callable[[], datetime.datetime],
    verified: Verified,
    progress: Callable[[Verified], None],
) -> None:
    with database.reading() as session:
        nowhere = dict.fromkeys(verification.unknown_inputs(session, clock()), "missing")
        verified.lost += verification.users_of_blobs(session, nowhere, clock())
    after = ""
    while True:
        seen_at = clock()
        with database.reading() as session:
            batch = verification.blobs(session, _BATCH, after)
        if not batch:
            return
        problems = _problems(files, {blob_name(blob.key): blob for blob in batch}, deep, verified)
        lost = {blob.key: problems[blob_name(blob.key)] for blob in batch if blob_name(blob.key) in problems}
        with database.session() as session:
            blobs.mark_lost(session, list(lost), seen_at)
            if deep:
                blobs.mark_whole(session, [blob.key for blob in batch if blob.key not in lost])
        with database.reading() as session:
            verified.lost += verification.users_of_blobs(session, lost, seen_at)
        verified.blobs += len(batch)
        after = batch[-1].key
        progress(verified)


def _verify_results(
    database: Database, files: ObjectStore, deep: bool, verified: Verified, progress: Callable[[Verified], None]
) -> None:
    after = ""
    while True:
        with database.reading() as session:
            batch = verification.results(session, _BATCH, after)
        if not batch:
            return
        problems = _problems(files, {result.key: result for _, result in batch}, deep, verified)
        lost = {result_id: problems[result.key] for result_id, result in batch if result.key in problems}
        with database.reading() as session:  # a job that was deleted meanwhile has lost nothing
            verified.lost += verification.owners_of_results(session, lost)
        verified.results += len(batch)
        after = batch[-1][0]
        progress(verified)


def _problems(files: ObjectStore, wanted: Mapping[str, StoredFile], deep: bool, verified: Verified) -> dict[str, str]:
    """What is wrong with files, by name; whole ones are left out."""
    sizes = files.sizes(list(wanted))
    found: dict[str, str] = {}
    for name, file in wanted.items():
        size = sizes.get(name)
        if size is None:
            found[name] = "missing"
        elif size != file.bytes:
            found[name] = f"{size} bytes instead of {file.bytes}"
        elif deep:
            verified.read_bytes += size
            if _sha256_of(files, name) != file.sha256:
                found[name] = "damaged"
    return found


def _sha256_of(files: ObjectStore, name: str) -> str | None:
    digest = hashlib.sha256()
    try:
        for block in files.read(name):
            digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def lines(lost: Sequence[LostFile]) -> list[str]:
    """One line for each lost file, those of one owner and one set or job together."""
    ordered = sorted(lost, key=lambda one: (one.owner, one.kind, one.holder_id, one.name))
    return [f"{one.kind:<10}  {one.owner}  {one.holder_id}  {one.name}  {one.problem}" for one in ordered]
