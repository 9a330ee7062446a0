"""Whose job comes next. Every forecast is 100 s unless a test says otherwise."""

from __future__ import annotations

import datetime
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e3d.service.database import Database
from e2e3d.service.database.table_base import now
from e2e3d.service.jobs import fair_queue, leases
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs.lifecycle import JobTransition
from e2e3d.service.jobs.records import JobRecord, NewJob
from tests.service.jobs.test_queries import KEEP, add_user, claim, fence_of


def submit(database: Database, user: str, name: str = "", priority: int = 0, cost_s: float = 100.0) -> JobRecord:
    forecast = {"seconds_low": cost_s / 2, "seconds_high": cost_s * 3 / 2}
    with database.session() as session:
        return jobs.create(session, NewJob(user, None, "low", name, priority=priority, forecast=forecast), (), now())


def run(database: Database, seconds: float = 100.0, how: JobTransition = JobTransition.COMPLETED) -> str:
    """Claim the next job and end it after so many seconds; returns its name."""
    job = claim(database)
    assert job is not None
    with database.session() as session:
        assert leases.finish(session, fence_of(job), how, now() + datetime.timedelta(seconds=seconds), KEEP)
    return job.name


def places(database: Database, queued: list[JobRecord]) -> list[int | None]:
    with database.reading() as session:
        found = [jobs.by_id(session, job.id) for job in queued]
        return [fair_queue.place(session, job) for job in found if job is not None]


def test_another_users_first_job_comes_after_one_of_thirty(database: Database) -> None:
    many, one = add_user(database), add_user(database)
    first = [submit(database, many, f"many {number}") for number in range(30)]
    late = submit(database, one, "one")
    assert places(database, [first[0], late, first[1], first[29]]) == [1, 2, 3, 31]
    assert [run(database) for _ in range(3)] == ["many 0", "one", "many 1"]


def test_the_order_of_claims_is_the_one_that_users_are_shown(database: Database) -> None:
    users = [add_user(database) for _ in range(3)]
    queued = [
        submit(database, users[number % 3], str(number), priority=number % 2, cost_s=30.0 + 50.0 * (number % 4))
        for number in range(18)
    ]
    shown = dict(zip(places(database, queued), (job.name for job in queued), strict=True))
    assert sorted(place or 0 for place in shown) == list(range(1, 19))
    claimed = [job.name for job in (claim(database) for _ in range(18)) if job is not None]
    assert claimed == [shown[place] for place in range(1, 19)]


def test_priority_decides_among_the_jobs_of_one_user_only(database: Database) -> None:
    user, other = add_user(database), add_user(database)
    queued = [submit(database, user, str(number), priority) for number, priority in enumerate((0, 0, 5, -5))]
    of_other = submit(database, other, "other", priority=-100)
    assert places(database, queued) == [3, 4, 1, 5]
    assert places(database, [of_other]) == [2]
    assert [run(database) for _ in range(5)] == ["2", "other", "0", "1", "3"]
    assert claim(database) is None


def test_users_take_turns_by_time_and_not_by_number(database: Database) -> None:
    """Who asks for long jobs gets fewer of them."""
    patient, quick = add_user(database), add_user(database)
    for number in range(3):
        submit(database, patient, f"long {number}", cost_s=400.0)
    for number in range(8):
        submit(database, quick, f"short {number}", cost_s=100.0)
    order = [job.name.split()[0] for job in (claim(database) for _ in range(10)) if job is not None]
    assert order == ["long", *["short"] * 4, "long", *["short"] * 4]


def test_what_a_job_took_counts_and_not_what_was_forecast(database: Database) -> None:
    user, other = add_user(database), add_user(database)
    for number in range(3):
        submit(database, user, f"user {number}")
        submit(database, other, f"other {number}")
    assert run(database, seconds=250.0) == "user 0"
    assert [run(database) for _ in range(4)] == ["other 0", "other 1", "other 2", "user 1"]


def test_a_job_that_was_interrupted_comes_first_again_and_costs_its_user_nothing(database: Database) -> None:
    user, other = add_user(database), add_user(database)
    submit(database, user, "user 0")
    submit(database, other, "other 0")
    submit(database, user, "user 1")
    assert run(database, 500.0, JobTransition.INTERRUPTED) == "user 0"
    assert [run(database) for _ in range(3)] == ["user 0", "other 0", "user 1"]


def test_cancelled_jobs_cost_no_turn(database: Database) -> None:
    user, other = add_user(database), add_user(database)
    mine = [submit(database, user, f"user {number}") for number in range(3)]
    for number in range(2):
        submit(database, other, f"other {number}")
    with database.session() as session:
        for job in mine[:2]:
            jobs.request_cancel(session, user, job.id, now())
    assert places(database, [mine[2]]) == [1]
    assert [run(database) for _ in range(3)] == ["user 2", "other 0", "other 1"]


def test_nobody_saves_up_service_or_owes_it_after_a_rest(database: Database) -> None:
    busy, new = add_user(database), add_user(database)
    submit(database, busy, "first")
    run(database, seconds=5000.0)
    for number in range(2):
        submit(database, busy, f"busy {number}")
    assert run(database, seconds=90.0) == "busy 0"
    for number in range(3):
        submit(database, new, f"new {number}")
    assert [run(database) for _ in range(4)] == ["new 0", "busy 1", "new 1", "new 2"]


def test_a_forecast_says_how_many_jobs_come_before_a_new_one(database: Database) -> None:
    user, other = add_user(database), add_user(database)
    for _ in range(4):
        submit(database, other)
    for _ in range(2):
        submit(database, user)
    for priority, ahead in ((0, 5), (1, 1)):
        with database.reading() as session:
            assert fair_queue.jobs_ahead(session, user, priority) == ahead
        assert places(database, [submit(database, user, priority=priority)]) == [ahead + 1]


@pytest.mark.slow
def test_submissions_cancels_and_claims_side_by_side_meet_no_deadlock(database: Database) -> None:
    users = [add_user(database) for _ in range(3)]
    together = threading.Barrier(6)

    def work(number: int) -> int:
        together.wait()
        done = 0
        for turn in range(15):
            if number % 2:
                job = submit(database, users[turn % 3], priority=turn % 2)
                with database.session() as session:
                    if turn % 4 == 0 and jobs.request_cancel(session, job.user_id, job.id, now()) is not None:
                        done += 1
            elif (job := claim(database, f"runner-{number}-{turn}")) is not None:
                with database.session() as session:
                    leases.finish(session, fence_of(job), JobTransition.COMPLETED, now(), KEEP)
        return done

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 12
