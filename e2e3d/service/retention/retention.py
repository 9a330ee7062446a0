"""The collector: removes what nobody needs any more, and never what is in use.

Every removal is decided twice: once by a cheap look, and again in the transaction that holds the rows locked while the
bytes go (:mod:`e2e3d.service.image_sets.blob_queries` has the rule). So uploads, jobs and several collectors may run
at the same time. What is younger than the grace period is left alone in any case.
"""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from e2e3d.service.database import Database
from e2e3d.service.image_sets import blob_queries as blobs
from e2e3d.service.intake.upload_parts import remove_parts
from e2e3d.service.retention import queries as retention
from e2e3d.service.retention.removal import purge_users
from e2e3d.service.uploads import queries as uploads
from e2e3d.storage.names import blob_name, object_name
from e2e3d.storage.objects import ObjectInfo, ObjectStore

_BATCH = 200
_LOCKED_BATCH = 50
_ARTIFACT = re.compile(r"(?P<stage>[a-z0-9_-]+)/(?P<start>[0-9a-f]{2})/(?P<digest>[0-9a-f]{64})(\.safetensors)?")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetentionPolicy:
    """How long what nobody needs is kept: photographs' bytes and artifacts after their last use, other leftovers."""

    unused: datetime.timedelta = datetime.timedelta(days=7)
    grace: datetime.timedelta = datetime.timedelta(hours=6)


@dataclass(frozen=True)
class Collected:
    """What one round of the collector removed."""

    users: int = 0
    uploads: int = 0
    results_of_jobs: int = 0
    blobs: int = 0
    artifacts: int = 0
    leftovers: int = 0
    freed_bytes: int = 0

    def __bool__(self) -> bool:
        return self != Collected()


def collect(database: Database, files: ObjectStore, policy: RetentionPolicy, now: datetime.datetime) -> Collected:
    """Do one round; it can be cut off anywhere and done again.

    Raises:
        MachineError: when the store or the database fails; the next round goes on.
    """
    done = Collected(users=purge_users(database, files, now), uploads=_collect_uploads(database, files, now))
    jobs, freed = _collect_results(database, files, now)
    done = replace(done, results_of_jobs=jobs, freed_bytes=freed)
    done = _collect_store(database, files, policy, now, done)
    count, freed = _collect_blobs(database, files, now - policy.unused, now)
    done = replace(done, blobs=count, freed_bytes=done.freed_bytes + freed)
    done = replace(done, leftovers=done.leftovers + files.sweep(now - policy.grace))
    if done:
        _log.info("collected %s", done)
    return done


def _collect_uploads(database: Database, files: ObjectStore, now: datetime.datetime) -> int:
    count = 0
    while True:
        with database.reading() as session:
            old = uploads.expired(session, now, _BATCH)
        for upload in old:
            remove_parts(files, upload)
            with database.session() as session:
                uploads.delete(session, upload.id)
        count += len(old)
        if len(old) < _BATCH:
            return count


def _collect_results(database: Database, files: ObjectStore, now: datetime.datetime) -> tuple[int, int]:
    with database.reading() as session:
        old = retention.jobs_with_old_results(session, now, _BATCH)
    freed = 0
    for job_id in old:
        with database.session() as session:
            freed += retention.forget_results(session, job_id)
        files.delete_folder(f"results/{job_id}")
    return len(old), freed


def _collect_blobs(
    database: Database, files: ObjectStore, before: datetime.datetime, now: datetime.datetime
) -> tuple[int, int]:
    count = freed = 0
    while True:
        with database.reading() as session:
            candidates = blobs.unused(session, before, now, _BATCH)
        removed = 0
        for sha256 in candidates:
            with database.session() as session:
                length = blobs.remove_unused(session, sha256, before, now, partial(files.delete, blob_name(sha256)))
            removed += length is not None
            freed += length or 0
        count += removed
        if len(candidates) < _BATCH or removed == 0:
            return count, freed


def _collect_store(
    database: Database, files: ObjectStore, policy: RetentionPolicy, now: datetime.datetime, done: Collected
) -> Collected:
    """One walk through the store for what the database does not know, or no longer needs."""
    for batch in _batches(files.find()):
        artifacts = {key: info for info in batch if (key := _artifact_key(info.name)) is not None}
        old = {key: info for key, info in artifacts.items() if info.modified_at < now - policy.unused}
        _adopt_blobs(database, {key: info for key, info in old.items() if key.startswith("blob/")})
        removed = _collect_artifacts(database, files, [key for key in old if not key.startswith("blob/")], now)
        freed = sum(old[key].bytes for key in removed)
        others = [info for info in batch if info.modified_at < now - policy.grace]
        gone = _strays(database, [info for info in others if info.name.startswith(("uploads/", "results/"))])
        for info in gone:
            files.delete(info.name)
        done = replace(
            done,
            artifacts=done.artifacts + len(removed),
            leftovers=done.leftovers + len(gone),
            freed_bytes=done.freed_bytes + freed + sum(info.bytes for info in gone),
        )
    return done


def _adopt_blobs(database: Database, found: dict[str, ObjectInfo]) -> None:
    """Blobs that the engine made by itself get a row, so that the rule for blobs holds for them too."""
    with database.reading() as session:
        unknown = set(found) - {f"blob/{sha256}" for sha256 in blobs.known(session, [key[5:] for key in found])}
    for key in unknown:
        with database.session() as session:
            blobs.adopt(session, key[5:], found[key].bytes, found[key].modified_at)


def _collect_artifacts(database: Database, files: ObjectStore, keys: list[str], now: datetime.datetime) -> list[str]:
    removed: list[str] = []
    with database.reading() as session:
        used = retention.used_artifacts(session, keys, now)
    unused = [key for key in keys if key not in used]
    for start in range(0, len(unused), _LOCKED_BATCH):
        with database.session() as session:
            some = unused[start : start + _LOCKED_BATCH]
            removed += retention.remove_artifacts(session, some, now, lambda key: files.delete(object_name(key)))
    return removed


def _strays(database: Database, found: list[ObjectInfo]) -> list[ObjectInfo]:
    """Pieces of uploads that are no more, and results that no job has written down."""
    owner = {info.name: info.name.split("/")[1] for info in found}
    arriving = {owner[name] for name in owner if name.startswith("uploads/")}
    with database.reading() as session:
        known = uploads.existing(session, arriving)
        results = retention.result_keys(session, {owner[name] for name in owner if name.startswith("results/")})
    gone = []
    for info in found:
        if info.name.startswith("uploads/"):
            stray = owner[info.name] not in known
        else:
            stray = owner[info.name] in results and info.name not in results[owner[info.name]]
        if stray:
            gone.append(info)
    return gone


def _artifact_key(name: str) -> str | None:
    found = _ARTIFACT.fullmatch(name)
    if found is None or found["start"] != found["digest"][:2]:
        return None
    key = f"{found['stage']}/{found['digest']}"
    return key if object_name(key) == name else None


def _batches(infos: Iterable[ObjectInfo]) -> Iterator[list[ObjectInfo]]:
    left = iter(infos)
    while batch := list(islice(left, _BATCH)):
        yield batch
