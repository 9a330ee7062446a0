"""How long users wait when one of them floods the queue: ``python benchmarks/fairness.py [URL]``.

URL is that of an empty database; without one it is SQLite in a temporary folder. One user submits a thousand jobs, then
a hundred users ten each, through the repository that the service uses, and runners claim and end them with its own
code. Only time is simulated: a job takes what it was forecast to take, times a factor by chance. The ideal is what
the median user's first job would wait if there were only everybody's first jobs, in the order in which they came.
Prints it beside what was measured, with one runner and with four, beside the least that any order could reach (only
first jobs, the shortest first, known beforehand), and beside claims by age.
"""

from __future__ import annotations

import datetime
import heapq
import sys
import tempfile
import time

import numpy as np
from sqlalchemy import select

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.database import Database, upgrade
from e2e3d.service.database.table_base import new_id, now
from e2e3d.service.jobs import leases
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.lifecycle import JobTransition
from e2e3d.service.jobs.records import Fence, JobRecord, NewJob
from e2e3d.service.jobs.tables import JobRow

USERS, JOBS_EACH, FLOOD = 100, 10, 1000
KEEP = datetime.timedelta(days=1)


def add_user(database: Database) -> str:
    """An account; returns its id."""
    with database.session() as session:
        row = UserRow(email=new_id(), password_hash="-", quota_photos=9, quota_bytes=9, quota_jobs=10**6)
        session.add(row)
        session.flush()
        return row.id


def submit(database: Database, user: str, seconds: float, at: datetime.datetime) -> JobRecord:
    """Queue a job with a forecast of so many seconds."""
    forecast = {"seconds_low": seconds / 2, "seconds_high": seconds * 3 / 2}
    with database.session() as session:
        return jobs.create(session, NewJob(user, None, "medium", forecast=forecast), (), at)


def fill(database: Database, start: datetime.datetime) -> tuple[list[str], dict[str, float]]:
    """Everybody's jobs, the flood first; returns the hundred users, and the seconds that each job will take."""
    chance = np.random.default_rng(5)
    flooding, users = add_user(database), [add_user(database) for _ in range(USERS)]
    takes_s: dict[str, float] = {}
    order = [flooding] * FLOOD + [users[i] for i in chance.permutation(np.repeat(np.arange(USERS), JOBS_EACH))]
    for number, user in enumerate(order):
        forecast_s = float(chance.lognormal(np.log(600.0), 0.7))
        job = submit(database, user, forecast_s, start + datetime.timedelta(milliseconds=number))
        takes_s[job.id] = forecast_s * float(chance.lognormal(0.0, 0.4))
    return users, takes_s


def first_waits_s(
    database: Database, start: datetime.datetime, runners: int, takes_s: dict[str, float]
) -> dict[str, float]:
    """Run jobs until every user had one begun; returns how long each user's first job waited."""
    waits: dict[str, float] = {}
    running: list[tuple[float, str, Fence]] = []
    clock_s = 0.0
    while len(waits) < USERS + 1:
        while len(running) < runners:
            at = start + datetime.timedelta(seconds=clock_s)
            owner = f"runner-{len(waits)}-{clock_s}"
            with database.session() as session:
                job = leases.claim(session, owner, at, 1e6)
            assert job is not None
            waits.setdefault(job.user_id, clock_s)
            heapq.heappush(running, (clock_s + takes_s[job.id], job.id, Fence(job.id, owner, job.attempt)))
        clock_s, _, fence = heapq.heappop(running)
        with database.session() as session:
            at = start + datetime.timedelta(seconds=clock_s)
            assert leases.finish(session, fence, JobTransition.COMPLETED, at, KEEP)
    return waits


def median_wait_s(jobs_s: list[float], runners: int) -> float:
    """The median wait of jobs of these lengths that are begun in this order, when nothing else runs."""
    free = [0.0] * runners
    waits = []
    for seconds in jobs_s:
        begin_s = heapq.heappop(free)
        waits.append(begin_s)
        heapq.heappush(free, begin_s + seconds)
    return float(np.median(waits))


def first_jobs_s(database: Database, takes_s: dict[str, float]) -> list[float]:
    """How long the first job of each user takes, in the order in which they came."""
    first: dict[str, float] = {}
    with database.reading() as session:
        for job_id, user_id in session.execute(select(JobRow.id, JobRow.user_id).order_by(JobRow.queued_at)):
            first.setdefault(user_id, takes_s[job_id])
    return list(first.values())


def main(url: str | None, runners: int) -> None:
    """Measure with so many runners."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(url or f"sqlite:///{folder}/fairness.sqlite")
        upgrade(database)
        start = now()
        began_s = time.process_time()
        users, takes_s = fill(database, start)
        submitted_s = time.process_time() - began_s
        waits = first_waits_s(database, start, runners, takes_s)
        mine = np.array([waits[user] for user in users])
        first_s = first_jobs_s(database, takes_s)
        ideal, least = median_wait_s(first_s, runners), median_wait_s(sorted(first_s), runners)
        by_age_s = sum(list(takes_s.values())[:FLOOD]) / runners
        database.close()
    wait = float(np.median(mine))
    print(
        f"{runners} runner(s): the median user's first job waits {wait / 60:.1f} min, ideal {ideal / 60:.1f} min, "
        f"ratio {wait / ideal:.2f} (least possible {least / 60:.1f} min); the last of them {mine.max() / 60:.1f} min;\n"
        f"  by age it would begin after {by_age_s / 60:.0f} min; "
        f"CPU of a submission {1e3 * submitted_s / len(takes_s):.1f} ms"
    )


if __name__ == "__main__":
    for count in (1, 4):
        main(sys.argv[1] if len(sys.argv) > 1 and count == 1 else None, count)
