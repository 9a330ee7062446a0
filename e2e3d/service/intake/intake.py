"""Take photographs into an image set: check, store once, and write down."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from e2e3d.errors import InputError
from e2e3d.service.accounts import quotas as usage
from e2e3d.service.database import Database
from e2e3d.service.image_sets import blob_queries as blobs
from e2e3d.service.image_sets import photo_queries as photos
from e2e3d.service.image_sets.records import Arrival, Finding, PhotoFacts, PhotoRecord
from e2e3d.service.intake.checkers import PhotoCheckers, shared_checkers
from e2e3d.service.intake.lost_photographs import stored_hashes
from e2e3d.service.intake.photo_check import beside
from e2e3d.service.intake.photo_names import is_mask, is_system_file, safe_name, with_suffix_of
from e2e3d.service.intake.thumbnails import load_thumbnail
from e2e3d.storage.names import blob_name
from e2e3d.storage.objects import BLOCK_BYTES, ObjectStore


@dataclass(frozen=True)
class ImportTarget:
    """The image set that photographs go into, and whose it is."""

    user_id: str
    image_set_id: str


class Intake:
    """Puts photographs into the store and the database.

    Args:
        database: where sets and photographs are written down.
        files: where their bytes are kept.
        clock: the time, in UTC.
        checkers: look at photographs; those of this process when not given.
    """

    def __init__(
        self,
        database: Database,
        files: ObjectStore,
        clock: Callable[[], datetime.datetime],
        checkers: PhotoCheckers | None = None,
    ) -> None:
        self.database = database
        self.files = files
        self.clock = clock
        self._checkers = checkers or shared_checkers()

    def take(
        self, target: ImportTarget, name: str, sha256: str, read: Callable[[], bytes], stored: Collection[str] = ()
    ) -> Arrival:
        """Take one file.

        Args:
            target: where to.
            name: what its owner calls it.
            sha256: of its bytes.
            read: gives its bytes; only called when they are not known, or lost from the store.
            stored: hashes of which the store was seen to have the bytes just now.

        Raises:
            InputError: ``quota-bytes``, or ``image-set-gone`` when the set was deleted in the meantime.
            MachineError: of the store or the database.
        """
        try:
            safe = safe_name(name)
        except InputError as error:
            return rejected(name, error)
        if is_system_file(safe):
            return Arrival(name, "ignored")
        with self.database.reading() as session:
            twin = photos.with_bytes(session, target.image_set_id, sha256, safe if is_mask(safe) else None)
            owned = photos.owned(session, target.user_id, [sha256]).get(sha256)
            others = photos.thumbprints(session, target.image_set_id)
        if twin is not None:
            restored = twin.state != "rejected" and sha256 not in stored and self._restore(twin.facts, read)
            return _arrived_again(name, safe, twin, restored)
        facts = owned
        if facts is None or not (sha256 in stored or self._store_has(facts)):
            data = read()
            facts = self._checkers.check(target.user_id, safe, data, sha256)
            if not facts.rejected:
                self._store(target, facts, data)
        else:
            facts = _without_neighbours(facts)
        return self._add(target, name, safe, beside(facts, others))

    def take_known(self, target: ImportTarget, wanted: Sequence[tuple[str, str]]) -> tuple[Arrival | None, ...]:
        """Take photographs (name and SHA-256) that the user has, without their bytes.

        Returns:
            for each what became of it, None when the user has none such, or its bytes are lost.

        Raises:
            InputError: as :meth:`take`.
        """
        stored = stored_hashes(self.database, self.files, {sha256 for _, sha256 in wanted}, self.clock())
        return tuple(self._take_known(target, name, sha256, stored) for name, sha256 in wanted)

    def thumbnail(self, user_id: str, sha256: str) -> bytes:
        """A small JPEG of a stored photograph of this user, see :func:`load_thumbnail`."""
        return load_thumbnail(self.files, self._checkers, user_id, sha256)

    def _take_known(self, target: ImportTarget, name: str, sha256: str, stored: Collection[str]) -> Arrival | None:
        try:
            return self.take(target, name, sha256, _unknown, stored)
        except _UnknownError:
            return None

    def _add(self, target: ImportTarget, name: str, safe: str, facts: PhotoFacts) -> Arrival:
        stored_as = safe if facts.rejected else with_suffix_of(safe, facts.media_type)
        with self.database.session() as session:
            photo = photos.add(
                session, target.user_id, target.image_set_id, stored_as, facts, self.clock(), is_mask(safe)
            )
        if photo is None:
            raise InputError("image-set-gone", "The image set was deleted.", "Create another one, and send them again.")
        outcome = "rejected" if photo.state == "rejected" else "added"
        return Arrival(name, outcome, photo, photo.facts.findings)

    def _store(self, target: ImportTarget, facts: PhotoFacts, data: bytes) -> None:
        with self.database.session() as session:
            usage.require(session, target.user_id, facts.bytes)
        self._restore(facts, lambda: data)

    def _restore(self, facts: PhotoFacts, read: Callable[[], bytes]) -> bool:
        """Write bytes that the store does not have; returns whether there was need to."""
        if self._store_has(facts):
            return False
        data = read()
        blocks = (data[start : start + BLOCK_BYTES] for start in range(0, len(data), BLOCK_BYTES))
        self.files.write(blob_name(facts.sha256), blocks)
        with self.database.session() as session:
            blobs.mark_whole(session, [facts.sha256])
        return True

    def _store_has(self, facts: PhotoFacts) -> bool:
        with self.database.session() as session:
            whole = blobs.pin(session, facts.sha256, facts.bytes, self.clock())
        return whole and self.files.size(blob_name(facts.sha256)) == facts.bytes


def rejected(name: str, error: InputError) -> Arrival:
    """What is answered for a file that cannot be taken at all."""
    return Arrival(name, "rejected", None, (Finding(error.code, str(error), True),))


def _arrived_again(name: str, safe: str, twin: PhotoRecord, restored: bool) -> Arrival:
    if twin.state == "rejected":
        return Arrival(name, "rejected", twin, twin.facts.findings)
    if restored:
        lost = Finding("restored", f"The bytes of {twin.name} had been lost, and are stored again.", False)
        return Arrival(name, "known", twin, (*twin.facts.findings, lost))
    if twin.name == safe:
        return Arrival(name, "known", twin, twin.facts.findings)
    same = Finding("duplicate", f"The same file as {twin.name}; one copy is enough.", False)
    return Arrival(name, "known", twin, (same,))


def _without_neighbours(facts: PhotoFacts) -> PhotoFacts:
    kept = tuple(finding for finding in facts.findings if finding.code != "near-duplicate")
    return replace(facts, findings=kept)


class _UnknownError(Exception):
    pass


def _unknown() -> bytes:
    raise _UnknownError
