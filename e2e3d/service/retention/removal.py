"""Removes deleted users for good, with everything they own; what others use too stays."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Iterator

from e2e3d.service.accounts.records import Actor
from e2e3d.service.administration import audit
from e2e3d.service.database import Database, Session
from e2e3d.service.intake.upload_parts import remove_parts
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.retention import removal_queries as removal
from e2e3d.service.uploads import queries as uploads
from e2e3d.storage.objects import ObjectStore

_BATCH = 200
_SERVICE = Actor(None, None, None)
_log = logging.getLogger(__name__)


def purge_users(database: Database, files: ObjectStore, now: datetime.datetime) -> int:
    """Remove the deleted users that can be restored no more; returns how many.

    Each piece goes in a transaction of its own, files before the row that names them: it can be cut off anywhere and
    done again. Bytes of photographs are left to the collector, which knows who else has them.

    Raises:
        MachineError: of the store or the database.
    """
    with database.reading() as session:
        due = removal.due_users(session, now, _BATCH)
    return sum(_purge(database, files, user_id, now) for user_id in due)


def _purge(database: Database, files: ObjectStore, user_id: str, now: datetime.datetime) -> bool:
    with database.session() as session:
        if jobs.cancel_all(session, user_id, now):
            return False  # the next round comes back when they have stopped
    for upload_id in _each(database, lambda session: removal.uploads_of(session, user_id, _BATCH)):
        with database.reading() as session:
            upload = uploads.find(session, user_id, upload_id)
        if upload is not None:
            remove_parts(files, upload)
        with database.session() as session:
            uploads.delete(session, upload_id)
    for job_id in _each(database, lambda session: removal.jobs_of(session, user_id, _BATCH)):
        files.delete_folder(f"results/{job_id}")
        with database.session() as session:
            removal.remove_job(session, job_id)
    for image_set_id in _each(database, lambda session: removal.sets_of(session, user_id, _BATCH)):
        with database.session() as session:
            removal.remove_set(session, image_set_id)
    with database.session() as session:
        if not removal.remove_user(session, user_id, now):
            return False
        audit.record(session, _SERVICE, "user.purge", "user", user_id)
    _log.info("the deleted user %s was removed", user_id)
    return True


def _each(database: Database, find: Callable[[Session], tuple[str, ...]]) -> Iterator[str]:
    """Ids until none is found any more; whoever gets one removes its row."""
    while True:
        with database.reading() as session:
            found = find(session)
        if not found:
            return
        yield from found
