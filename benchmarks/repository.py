"""Times and query plans of the repository with 100,000 jobs: ``python benchmarks/repository.py URL``.

URL is that of an empty database: ``sqlite:////path/to/empty.sqlite`` or ``postgresql+psycopg2://…``. Prints wall and
CPU milliseconds (median and 99th percentile) of listing, getting and claiming a job; fails when a query scans a table.
"""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable

import numpy as np
from plans import query_plans
from sqlalchemy import insert, text

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.database import Database, Session, upgrade
from e2e3d.service.database.table_base import new_id, now
from e2e3d.service.jobs import leases
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.records import JobFilter
from e2e3d.service.jobs.tables import JobRow

JOBS, USERS, ROUNDS = 100_000, 50, 300
STATES = ("succeeded", "succeeded", "succeeded", "failed", "cancelled", "queued")


def fill(database: Database) -> tuple[list[str], list[tuple[str, str]]]:
    """Jobs of all states over a year, evenly among the users; returns the users, and (user, job) of all jobs."""
    start = now() - datetime.timedelta(days=365)
    users = [new_id() for _ in range(USERS)]
    with database.session() as session:
        quotas = {"quota_photos": 9, "quota_bytes": 9, "quota_jobs": 10**6}
        session.execute(
            insert(UserRow), [{"id": user, "email": user, "password_hash": "-", "name": ""} | quotas for user in users]
        )
    made = []
    for first in range(0, JOBS, 5000):
        rows = []
        for number in range(first, first + 5000):
            at = start + datetime.timedelta(seconds=number * 300)
            user = users[number * 7919 % USERS]
            row = {"id": new_id(), "user_id": user, "name": f"Job {number}", "state": STATES[number % len(STATES)]}
            row |= {"quality": "medium", "priority": number % 3, "created_at": at, "queued_at": at, "updated_at": at}
            rows.append(row)
            made.append((user, row["id"]))
        with database.session() as session:
            session.execute(insert(JobRow), rows)
    with database.connection() as connection:
        connection.execute(text("ANALYZE"))
    return users, made


def measure(name: str, database: Database, reading: bool, work: Callable[[Session, int], object]) -> None:
    """Do `work` ROUNDS times, each in a transaction of its own, and print the median and p99 of its times."""
    walls, cpus = [], []
    for number in range(ROUNDS):
        began, began_cpu = time.perf_counter(), time.process_time()
        with database.reading() if reading else database.session() as session:
            work(session, number)
        walls.append(1e3 * (time.perf_counter() - began))
        cpus.append(1e3 * (time.process_time() - began_cpu))
    wall, cpu = np.percentile(walls, [50, 99]), np.percentile(cpus, [50, 99])
    print(f"{name:<18} wall {wall[0]:6.2f} / {wall[1]:6.2f} ms   CPU here {cpu[0]:6.2f} / {cpu[1]:6.2f} ms")


def check_plans(database: Database, work: Callable[[Session], object]) -> None:
    """Print how the queries of `work` are answered; one that reads the whole table of jobs is an error."""
    for statement, lines in query_plans(database, work):
        print("  " + " | ".join(line.strip() for line in lines)[:200])
        scans = [line for line in lines if "Seq Scan on jobs" in line or line == "SCAN jobs"]
        assert not scans, (statement, scans)


def main(url: str) -> None:
    """Fill the database at `url`, measure the hot queries, and check their plans."""
    database = Database(url)
    upgrade(database)
    users, made = fill(database)
    choose = np.random.default_rng(1)
    picked = choose.integers(0, len(made), ROUNDS)
    cursor: dict[str, tuple[datetime.datetime, str]] = {}

    def listed(session: Session, number: int) -> None:
        user = users[number % USERS]
        page = jobs.listed(session, user, JobFilter(), 50, cursor.get(user))
        cursor[user] = (page[-1].created_at, page[-1].id)

    measure("list", database, True, listed)
    failed = JobFilter(states=("failed",))
    measure("list of one state", database, True, lambda s, n: jobs.listed(s, users[n % USERS], failed, 50))
    measure("get", database, True, lambda s, n: jobs.find(s, *made[picked[n]]))
    measure("claim", database, False, lambda s, n: leases.claim(s, f"runner-{n}", now(), 30.0))
    check_plans(database, lambda s: jobs.listed(s, users[0], JobFilter(), 50))
    check_plans(database, lambda s: jobs.listed(s, users[0], JobFilter(), 50, cursor[users[0]]))
    check_plans(database, lambda s: jobs.listed(s, users[0], failed, 50))
    check_plans(database, lambda s: jobs.find(s, *made[0]))
    check_plans(database, lambda s: leases.claim(s, "runner", now(), 30.0))
    database.close()


if __name__ == "__main__":
    main(sys.argv[1])
