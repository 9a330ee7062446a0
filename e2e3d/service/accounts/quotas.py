"""How much a user stores and has computed, against the quotas."""

from __future__ import annotations

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from e2e3d.errors import InputError
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.jobs.lifecycle import ACTIVE
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.uploads.tables import UNFINISHED, UploadRow


def charge(session: Session, user_id: str, count: int) -> None:
    """Add stored bytes to a user's account; requests that run at the same time cannot exceed the quota together.

    Raises:
        InputError: ``quota-bytes``; nothing is charged then.
    """
    user = session.scalars(select(UserRow).where(UserRow.id == user_id).with_for_update()).one()
    if user.stored_bytes + count > user.quota_bytes:
        raise _refused(user, user.stored_bytes, count)
    user.stored_bytes += count
    session.flush()


def record(session: Session, user_id: str, count: int) -> None:
    """Add what was computed for a user, or take away what was removed; never refused."""
    left = UserRow.stored_bytes + count
    values = {"stored_bytes": case((left < 0, 0), else_=left)}
    session.execute(update(UserRow).where(UserRow.id == user_id).values(values))


def require(session: Session, user_id: str, count: int) -> None:
    """Ask whether so many bytes more would fit, with those of uploads under way.

    Archives lie in the store until they are unpacked: all uploads together may take as much as the quota once more.

    Raises:
        InputError: ``quota-bytes``.
    """
    user = session.get_one(UserRow, user_id)
    bytes_of = func.coalesce(UploadRow.size_bytes, UploadRow.offset_bytes)
    coming = func.sum(case((UploadRow.state == "open", bytes_of), else_=0))
    mine = select(coming, func.sum(bytes_of)).where(UploadRow.user_id == user_id, UploadRow.state.in_(UNFINISHED))
    open_bytes, all_bytes = (int(total or 0) for total in session.execute(mine).one())
    used = user.stored_bytes + open_bytes
    if used + count > user.quota_bytes:
        raise _refused(user, used, count)
    if all_bytes + count > user.quota_bytes:
        raise _refused(user, all_bytes, count)


def require_job(session: Session, user_id: str) -> None:
    """Ask whether the user may have one more unfinished job, which this transaction then adds.

    The user's row stays locked until it ends, so submissions at the same time cannot exceed the quota together.

    Raises:
        InputError: ``quota-jobs``.
    """
    quota = session.scalar(select(UserRow.quota_jobs).where(UserRow.id == user_id).with_for_update(key_share=True)) or 0
    mine = (JobRow.user_id == user_id, JobRow.state.in_(ACTIVE), JobRow.deleted_at.is_(None))
    unfinished = session.scalar(select(func.count()).select_from(JobRow).where(*mine)) or 0
    if unfinished >= quota:
        raise InputError(
            "quota-jobs",
            f"You have {unfinished} unfinished jobs, queued and running ones together, and your quota is {quota}.",
            "Wait until one has ended, cancel one, or ask an administrator for a larger quota.",
        )


def _refused(user: UserRow, used: int, count: int) -> InputError:
    return InputError(
        "quota-bytes",
        f"{count / 1e6:.1f} MB more do not fit into your quota of {user.quota_bytes / 1e9:.1f} GB, "
        f"of which {used / 1e9:.1f} GB are used.",
        "Delete image sets and jobs that you no longer need, or ask an administrator for a larger quota.",
    )
