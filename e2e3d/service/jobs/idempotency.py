"""Submissions that must not happen twice."""

from __future__ import annotations

import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from e2e3d.errors import InputError
from e2e3d.service.jobs.tables import IdempotencyKeyRow


def begin(session: Session, user_id: str, key: str, request_hash: str, now: datetime.datetime) -> str | None:
    """Take the key for this transaction, or learn which job it has made.

    A second submission with the same key waits here until the first one has committed.

    Returns:
        the id of the job that the key has made, None when the caller shall make it and call :func:`complete`.

    Raises:
        InputError: ``idempotency-key-reused`` if the key came with another request before.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    values = {"user_id": user_id, "key": key, "request_hash": request_hash, "created_at": now}
    taken = session.execute(dialect.insert(IdempotencyKeyRow).values(**values).on_conflict_do_nothing())
    if taken.rowcount == 1:  # type: ignore[attr-defined]
        return None
    mine = (IdempotencyKeyRow.user_id == user_id, IdempotencyKeyRow.key == key)
    known = session.execute(select(IdempotencyKeyRow.request_hash, IdempotencyKeyRow.job_id).where(*mine)).one()
    if known.request_hash != request_hash:
        raise InputError(
            "idempotency-key-reused",
            "This Idempotency-Key was used for a submission with another content.",
            "Make a new key for every submission; repeat a key only to repeat the same request.",
        )
    return str(known.job_id)


def complete(session: Session, user_id: str, key: str, job_id: str) -> None:
    """Remember which job the key has made."""
    row = session.get_one(IdempotencyKeyRow, (user_id, key))
    row.job_id = job_id


def forget(session: Session, before: datetime.datetime) -> int:
    """Remove keys that are older; returns how many."""
    found = session.scalars(
        delete(IdempotencyKeyRow).where(IdempotencyKeyRow.created_at < before).returning(IdempotencyKeyRow.key)
    )
    return len(found.all())
