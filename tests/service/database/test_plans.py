"""With many jobs no query of the hot paths reads a whole table: the databases themselves say so."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
from sqlalchemy import insert, text

from benchmarks.plans import query_plans
from e2e3d.service.accounts.tables import RefreshTokenRow, UserRow
from e2e3d.service.database import Database, Session
from e2e3d.service.database.table_base import new_id, now
from e2e3d.service.events import queries as events
from e2e3d.service.events.tables import EventRow
from e2e3d.service.jobs import leases
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.records import JobFilter
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.sign_in import queries as tokens

JOBS, USERS = 12_000, 20
STATES = ("succeeded", "succeeded", "succeeded", "failed", "cancelled", "queued")
TABLES = ("jobs", "events", "users", "refresh_tokens")
_USER = "user-3"
_JOB = "job-123"


@pytest.fixture
def filled(database: Database) -> Database:
    start = now() - datetime.timedelta(days=30)
    quotas = {"quota_photos": 9, "quota_bytes": 9, "quota_jobs": 9, "password_hash": "-"}
    users = [{"id": f"user-{number}", "email": f"{number}"} | quotas for number in range(USERS)]
    times = [start + datetime.timedelta(seconds=number) for number in range(JOBS)]
    rows = [
        {"id": f"job-{number}", "user_id": f"user-{number % 7 * 2 + 1}", "state": STATES[number % 6]}
        | {"quality": "low", "created_at": at, "queued_at": at, "priority": number % 3}
        for number, at in enumerate(times)
    ]
    happened = [{"user_id": row["user_id"], "job_id": row["id"], "type": "job.queued", "data": {}} for row in rows]
    logins = [
        {"id": new_id(), "user_id": _USER, "family": new_id(), "token_hash": new_id(), "expires_at": now()}
        for _ in range(5000)
    ]
    with database.session() as session:
        for table, values in ((UserRow, users), (JobRow, rows), (EventRow, happened), (RefreshTokenRow, logins)):
            session.execute(insert(table), values)
    with database.connection() as connection:
        connection.execute(text("ANALYZE"))
    return database


def _plans(database: Database, work: Callable[[Session], object]) -> list[str]:
    """Every line of the plans of the queries of `work`."""
    plans = query_plans(database, work)
    assert plans
    return [line for _, lines in plans for line in lines]


def _scans(lines: list[str]) -> list[str]:
    """Lines that say that a table, or a whole index of it, is read or sorted from end to end."""
    named = {f"Seq Scan on {table} " for table in TABLES if table != "users"} | {"Sort Key: jobs.created_at"}
    found = [line for line in lines if any(name in line + " " for name in named)]
    whole = [line for line in lines if line.startswith("SCAN ") and line.split()[1] in TABLES]
    return found + whole + [line for line in lines if "TEMP B-TREE FOR ORDER BY" in line]


HOT: dict[str, Callable[[Session], object]] = {
    "list": lambda s: jobs.listed(s, _USER, JobFilter(), 50),
    "next page": lambda s: jobs.listed(s, _USER, JobFilter(), 50, (now(), "job-9")),
    "list of a state": lambda s: jobs.listed(s, _USER, JobFilter(states=("failed",)), 50),
    "get": lambda s: jobs.find(s, _USER, _JOB),
    "stages": lambda s: jobs.stages(s, _JOB),
    "claim": lambda s: leases.claim(s, "runner", now(), 30.0),
    "events of a user": lambda s: events.after(s, _USER, 10),
    "events of a job": lambda s: events.after(s, _USER, 10, job_id=_JOB),
    "login": lambda s: tokens.user_of_login(s.connection(), _USER, "family"),
    "API key": lambda s: tokens.user_of_api_key(s.connection(), "hash", now()),
}


def test_hot_queries_use_indexes(filled: Database) -> None:
    plans = {name: _plans(filled, work) for name, work in HOT.items()}
    assert not {name: lines for name, lines in plans.items() if _scans(lines)}
    # The check itself can fail.
    without = _plans(filled, lambda s: s.execute(text("SELECT * FROM jobs WHERE name = 'x'")).all())
    assert _scans(without), without
