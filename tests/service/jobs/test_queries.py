from __future__ import annotations

import contextlib
import datetime
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from e2e3d.data.judgement import Judgement, Reason
from e2e3d.data.stats import StageStats
from e2e3d.errors import InputError, MachineError
from e2e3d.pipeline.forecast import StageTime
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.database import Database
from e2e3d.service.database.table_base import new_id, now
from e2e3d.service.events import queries as events
from e2e3d.service.jobs import idempotency, leases
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.jobs import stage_times as forecasts
from e2e3d.service.jobs.lifecycle import MAX_INTERRUPTIONS, JobTransition
from e2e3d.service.jobs.records import Fence, JobFilter, JobRecord, NewJob, NewResult, ProgressUpdate

PHOTOS = (("IMG_2.jpg", "a" * 64), ("IMG_10.jpg", "b" * 64))
KEEP = datetime.timedelta(days=1)


def add_user(database: Database, quota_jobs: int = 100) -> str:
    with database.session() as session:
        row = UserRow(
            email=f"{new_id()}@example.org",
            password_hash="-",
            quota_photos=10,
            quota_bytes=10**9,
            quota_jobs=quota_jobs,
        )
        session.add(row)
        session.flush()
        return row.id


def add_job(database: Database, user_id: str, **changes: Any) -> JobRecord:
    with database.session() as session:
        return jobs.create(session, NewJob(user_id, None, "medium", **changes), PHOTOS, now())


def claim(database: Database, owner: str = "one") -> JobRecord | None:
    with database.session() as session:
        return leases.claim(session, owner, now(), 30.0)


def fence_of(job: JobRecord | None) -> Fence:
    assert job is not None
    assert job.lease_owner is not None
    return Fence(job.id, job.lease_owner, job.attempt)


def finish(
    database: Database, fence: Fence, transition: JobTransition, error: MachineError | None = None
) -> JobRecord | None:
    with database.session() as session:
        return leases.finish(session, fence, transition, now(), KEEP, error)


def test_a_finished_job_carries_the_judgement_of_its_model(database: Database) -> None:
    user = add_user(database)
    add_job(database, user)
    judgement = Judgement("doubtful", (Reason("imprecise", "It is soft.", "Focus."),))
    with database.session() as session:
        end = leases.finish(session, fence_of(claim(database)), JobTransition.COMPLETED, now(), KEEP, None, judgement)
    assert end is not None
    told = {"verdict": "doubtful", "reasons": [{"code": "imprecise", "message": "It is soft.", "action": "Focus."}]}
    assert end.judgement == told
    with database.reading() as session:
        assert events.after(session, user, 0)[-1].data["judgement"] == told


def types_of(database: Database, user_id: str) -> list[str]:
    with database.reading() as session:
        return [event.type for event in events.after(session, user_id, 0)]


def test_a_job_is_found_as_it_was_submitted(database: Database) -> None:
    user = add_user(database)
    job = add_job(database, user, name="Statue", settings={"depth.max_size_px": 3}, outputs=("glb",), priority=-1)
    with database.reading() as session:
        assert jobs.find(session, user, job.id) == job
        assert jobs.find(session, add_user(database), job.id) is None
        assert jobs.photographs(session, job.id) == PHOTOS
    assert (job.state, job.name, job.outputs) == ("queued", "Statue", ("glb",))
    assert job.settings == {"depth.max_size_px": 3}
    assert types_of(database, user) == ["job.queued"]


def test_runners_that_claim_together_never_take_one_job_twice(database: Database) -> None:
    user = add_user(database)
    ids = {add_job(database, user).id for _ in range(12)}
    together = threading.Barrier(4)

    def work(owner: int) -> list[str]:
        together.wait()
        taken = []
        while (job := claim(database, f"runner-{owner}")) is not None:
            taken.append(job.id)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [job for of_one in pool.map(work, range(4)) for job in of_one]
    assert len(taken) == 12
    assert set(taken) == ids


def test_only_the_holder_of_the_lease_may_write(database: Database) -> None:
    user = add_user(database)
    add_job(database, user)
    old = fence_of(claim(database, "first"))
    with database.session() as session:
        assert leases.reclaim(session, now() + datetime.timedelta(seconds=31), KEEP) is not None
    new = fence_of(claim(database, "second"))
    assert new.attempt == 1
    update = ProgressUpdate("depth", 1, 2, 0.5, (1.0, 2.0))
    result = NewResult("model.glb", "model/gltf-binary", 10, "c" * 64, "results/x/model.glb")
    with database.session() as session:
        assert not leases.write_progress(session, old, update, now())
        assert not leases.record_result(session, old, result, now())
        assert leases.renew(session, old, now(), 30.0) is None
        assert leases.finish(session, old, JobTransition.COMPLETED, now(), KEEP) is None
        assert leases.record_result(session, new, result, now())
        assert leases.write_progress(session, new, update, now())
    end = finish(database, new, JobTransition.COMPLETED)
    assert end is not None
    assert (end.state, end.progress, end.result_bytes, end.lease_owner) == ("succeeded", 1.0, 10, None)
    assert types_of(database, user) == ["job.queued", "job.running", "job.queued", "job.running", "job.succeeded"]


def test_three_crashes_fail_a_job_and_releases_do_not_count(database: Database) -> None:
    user = add_user(database)
    job = add_job(database, user)
    for transition in (JobTransition.RELEASED, JobTransition.CRASHED, JobTransition.RELEASED, JobTransition.CRASHED):
        back = finish(database, fence_of(claim(database)), transition)
        assert back is not None
        assert back.state == "queued"
    end = finish(database, fence_of(claim(database)), JobTransition.CRASHED)
    assert end is not None
    assert (end.id, end.state, end.error_code) == (job.id, "failed", "worker-died")


def test_interruptions_are_no_attempts_and_end_a_job_after_a_generous_number(database: Database) -> None:
    user = add_user(database)
    add_job(database, user)
    for number in range(1, MAX_INTERRUPTIONS):
        claim(database, "dead")
        with database.session() as session:
            back = leases.reclaim(session, now(), KEEP, ["dead"])
        assert back is not None
        assert (back.state, back.attempt, back.interruptions) == ("queued", 0, number)
    end = finish(database, fence_of(claim(database)), JobTransition.INTERRUPTED)
    assert end is not None
    assert (end.state, end.error_code, end.interruptions) == ("failed", "interrupted-too-often", MAX_INTERRUPTIONS)


def test_leases_of_dead_runners_are_taken_back_at_once_and_living_ones_are_left(database: Database) -> None:
    user = add_user(database)
    first, second = add_job(database, user), add_job(database, user)
    claim(database, "dead")
    claim(database, "alive")
    with database.session() as session:
        assert set(leases.owners(session)) == {"dead", "alive"}
        assert not leases.any_lapsed(session, now())
        taken = leases.reclaim(session, now(), KEEP, ["dead"])
        assert taken is not None
        assert (taken.id, taken.state) == (first.id, "queued")
        assert leases.reclaim(session, now(), KEEP, ["dead"]) is None
        kept = jobs.by_id(session, second.id)
    assert kept is not None
    assert kept.state == "running"


def test_cancel_ends_a_queued_job_at_once_and_asks_a_running_one(database: Database) -> None:
    user = add_user(database)
    queued, running = add_job(database, user), add_job(database, user, priority=1)
    fence = fence_of(claim(database))
    with database.session() as session:
        first = jobs.request_cancel(session, user, queued.id, now())
        assert first is not None
        assert first.state == "cancelled"
    with database.session() as session:
        second = jobs.request_cancel(session, user, running.id, now())
        assert second is not None
        assert (second.state, second.cancel_requested_at is not None) == ("running", True)
        assert leases.cancelled(session, [fence]) == {running.id}
    end = finish(database, fence, JobTransition.CRASHED)
    assert end is not None
    assert end.state == "cancelled"


def test_lists_are_filtered_and_paged(database: Database) -> None:
    user = add_user(database)
    made = [add_job(database, user, name=f"Job {number} 100%") for number in range(5)]
    add_job(database, add_user(database), name="Job of another")
    claim(database)
    with database.reading() as session:
        everything = JobFilter()
        first = jobs.listed(session, user, everything, 3)
        rest = jobs.listed(session, user, everything, 3, (first[-1].created_at, first[-1].id))
        assert [job.id for job in (*first, *rest)] == [job.id for job in reversed(made)]
        assert len(jobs.listed(session, user, JobFilter(states=("running",)), 9)) == 1
        assert len(jobs.listed(session, user, JobFilter(states=("queued", "running")), 9)) == 5
        assert [job.id for job in jobs.listed(session, user, JobFilter(text="jOb 3"), 9)] == [made[3].id]
        assert jobs.listed(session, user, JobFilter(text="0%1"), 9) == ()
        latest = jobs.listed(session, user, JobFilter(created_after=made[4].created_at), 9)
        assert [job.id for job in latest] == [made[4].id]
        assert len(jobs.listed(session, user, JobFilter(created_before=made[4].created_at), 9)) == 4


def test_a_deleted_job_is_gone_and_an_active_one_stays(database: Database) -> None:
    user = add_user(database)
    job = add_job(database, user)
    with database.session() as session:
        kept = jobs.delete_ended(session, user, job.id, now())
    assert kept is not None
    assert kept.state == "queued"
    finish(database, fence_of(claim(database)), JobTransition.COMPLETED)
    with database.session() as session:
        assert jobs.delete_ended(session, user, job.id, now()) is not None
    with database.reading() as session:
        assert jobs.find(session, user, job.id) is None
        assert jobs.listed(session, user, JobFilter(), 9) == ()


def test_one_key_makes_one_job_however_many_submit_together(database: Database) -> None:
    user = add_user(database)
    together = threading.Barrier(8)

    def submit(_: int) -> str:
        together.wait()
        with database.session() as session:
            made = idempotency.begin(session, user, "key", "hash", now())
            if made is not None:
                return made
            job = jobs.create(session, NewJob(user, None, "medium"), PHOTOS, now())
            idempotency.complete(session, user, "key", job.id)
            return job.id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(submit, range(8)))) == 1
    with database.reading() as session:
        assert len(jobs.listed(session, user, JobFilter(), 9)) == 1
    with pytest.raises(InputError) as caught, database.session() as session:
        idempotency.begin(session, user, "key", "another", now())
    assert caught.value.code == "idempotency-key-reused"


def test_a_submission_that_fails_leaves_its_key_free(database: Database) -> None:
    user = add_user(database)
    with contextlib.suppress(RuntimeError), database.session() as session:
        assert idempotency.begin(session, user, "key", "hash", now()) is None
        raise RuntimeError
    with database.session() as session:
        assert idempotency.begin(session, user, "key", "hash", now()) is None


def test_whoever_reads_events_by_id_misses_none(database: Database) -> None:
    """Writers of one user's events commit in the order of the ids, however long each takes."""
    user = add_user(database)
    ids = [add_job(database, user).id for _ in range(6)]
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        last = False
        while not last:
            last = done.is_set()
            with database.reading() as session:
                seen.extend(event.id for event in events.after(session, user, seen[-1] if seen else 0, 10))

    def write(job_id: str) -> None:
        for number in range(15):
            with database.session() as session:
                events.append(session, user, job_id, events.PROGRESS, {"number": number}, now())

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, ids))
    done.set()
    reader.join()
    with database.reading() as session:
        everything = [event.id for event in events.after(session, user, 0, 1000)]
    assert len(everything) == 6 + 6 * 15
    assert seen == everything[: len(seen)]
    assert len(seen) >= len(everything) - 10
    with database.session() as session:
        events.forget_progress(session, ids[0])
        assert len(events.after(session, user, 0, 1000)) == 6 + 5 * 15


def test_stages_artifacts_and_times_of_a_job(database: Database) -> None:
    user = add_user(database)
    add_job(database, user)
    fence = fence_of(claim(database))
    fresh, reused = StageStats("depth", 4, 0, 8.0, 12.0, 5), StageStats("mesh", 2, 1, 3.0, 3.0, 6)
    with database.session() as session:
        for stats in (fresh, reused, fresh):
            leases.write_stage(session, fence, stats, now())
        leases.add_artifacts(session, fence, [f"depth/{number}" for number in range(1200)])
        leases.add_artifacts(session, fence, ["depth/1", "depth/x"])
        jobs.add_log(session, fence.job_id, [(now(), "info", f"line {number}") for number in range(5)])
        forecasts.add(session, "medium", 4, 12.0, [fresh, reused], now())
    with database.reading() as session:
        assert [(stage.stage, stage.units, stage.reused_units) for stage in jobs.stages(session, fence.job_id)] == [
            ("mesh", 2, 1),
            ("depth", 4, 0),
        ]
        first = jobs.log_lines(session, fence.job_id, 3)
        assert [line.message for line in first] == ["line 0", "line 1", "line 2"]
        assert len(jobs.log_lines(session, fence.job_id, 9, first[-1].id)) == 2
        assert forecasts.history(session) == (StageTime("depth", 4, 12.0, "medium", 8.0),)
