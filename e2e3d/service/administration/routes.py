"""What administrators look at and adjust while the service runs."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Query

from e2e3d.service.administration import audit, state
from e2e3d.service.administration.wire import AuditOut, LogLevel
from e2e3d.service.http.paging import Cursor, Limit, bad_cursor
from e2e3d.service.http.problems import problem_responses
from e2e3d.service.http.wire import Page
from e2e3d.service.sign_in.dependencies import Admin, ServicesOf

router = APIRouter(prefix="/v1", tags=["Administration"], responses=problem_responses(401, 403, 413, 422, 503))


@router.get("/audit", summary="Read the audit log")
def list_audit(
    _admin: Admin,
    services: ServicesOf,
    limit: Limit = 50,
    cursor: Cursor = None,
    user_id: Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9-]+$")] = None,
    action: Annotated[str | None, Query(max_length=64, pattern=r"^[a-z.-]+$", examples=["user.create"])] = None,
) -> Page[AuditOut]:
    """Who did what, the newest first."""
    with services.database.reading() as session:
        found = audit.newest_first(session, limit + 1, _before(cursor), user_id, action)
    next_cursor = str(found[limit - 1].id) if len(found) > limit else None
    return Page(items=tuple(AuditOut.of(entry) for entry in found[:limit]), next_cursor=next_cursor)


@router.get("/admin/log-level", summary="Get the log level")
def get_log_level(_admin: Admin) -> LogLevel:
    """The level of the process that answers."""
    name = logging.getLevelName(logging.getLogger("e2e3d").getEffectiveLevel()).lower()
    return LogLevel.model_validate({"level": name if name != "critical" else "error"})


@router.put("/admin/log-level", summary="Set the log level")
def set_log_level(body: LogLevel, admin: Admin, services: ServicesOf) -> LogLevel:
    """Set the level of all processes of the service. They follow within ten seconds; running jobs keep theirs."""
    with services.database.session() as session:
        state.set_log_level(session, body.level)
        audit.record(session, admin.actor, "log-level.set", "service", None, level=body.level)
    logging.getLogger("e2e3d").setLevel(body.level.upper())
    return body


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise bad_cursor()
    return int(cursor)
