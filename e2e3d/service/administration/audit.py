"""The audit log: written in the transaction of what it tells about, so neither is there without the other."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from e2e3d.service.accounts.records import Actor, AuditEntry
from e2e3d.service.administration.audit_table import AuditRow

_ABOUT = datetime.timedelta(minutes=1)
_SAME = datetime.timedelta(seconds=1)


def record(
    session: Session,
    actor: Actor,
    action: str,
    resource_type: str | None = None,
    resource_id: str | None = None,
    **detail: Any,
) -> None:
    """Write down that `actor` did `action`, such as ``job.delete``; `detail` must hold no secrets."""
    session.add(
        AuditRow(
            user_id=actor.user_id,
            action=action,
            resource_type=resource_type,
            resource_id=resource_id,
            address=actor.address,
            request_id=actor.request_id,
            detail=detail,
        )
    )


def request_of(session: Session, action: str, resource_id: str, at: datetime.datetime) -> str | None:
    """The id of the request that did `action` to a resource at about that time; None when it is not known."""
    about = AuditRow.at.between(at - _ABOUT, at + _ABOUT)
    query = select(AuditRow.request_id).where(about, AuditRow.action == action, AuditRow.resource_id == resource_id)
    return session.scalar(query.limit(1))


def addresses_of_logins(
    session: Session, user_id: str, moments: Sequence[datetime.datetime]
) -> dict[datetime.datetime, str]:
    """From which address a user logged in at each of these moments, where that is written down."""
    if not moments:
        return {}
    own = (AuditRow.user_id == user_id, AuditRow.action == "login", AuditRow.at >= min(moments) - _SAME)
    rows = session.execute(select(AuditRow.at, AuditRow.address).where(*own).order_by(AuditRow.id)).all()
    return {moment: row.address for moment in moments for row in rows if row.address and abs(row.at - moment) <= _SAME}


def newest_first(
    session: Session, limit: int, before: int | None = None, user_id: str | None = None, action: str | None = None
) -> tuple[AuditEntry, ...]:
    """Entries, the newest first; `before` is the id of the last one that the caller has."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditRow.id < before)
    if user_id is not None:
        query = query.where(AuditRow.user_id == user_id)
    if action is not None:
        query = query.where(AuditRow.action == action)
    return tuple(
        AuditEntry(
            row.id,
            row.at,
            row.user_id,
            row.action,
            row.resource_type,
            row.resource_id,
            row.address,
            row.request_id,
            row.detail,
        )
        for row in session.scalars(query)
    )
