"""The quota of unfinished jobs holds whatever comes at once, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from e2e3d.service.jobs.lifecycle import JobTransition
from tests.service.api import Api
from tests.service.jobs.test_routes import Jobs, image_set_of, problem_of

QUOTA = 10  # of the users that the tests make


def test_submissions_at_the_same_time_do_not_pass_the_quota(api: Api) -> None:
    user = api.user("ada@example.org")
    one = Jobs(api, user, api.headers(user), image_set_of(api, user))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: one.submit(), range(QUOTA + 10)))
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(refused) == 10
    assert {problem_of(answer) for answer in refused} == {(429, "quota-jobs")}
    assert "queued and running" in refused[0].json()["detail"]
    assert len(one.call("GET", "/jobs?state=queued&limit=200").json()["items"]) == QUOTA
    one.begin()  # a running job counts as well
    assert problem_of(one.submit()) == (429, "quota-jobs")


def test_a_job_that_has_ended_makes_room_for_another(api: Api) -> None:
    user, other = api.user("ada@example.org"), api.user("eve@example.org")
    one = Jobs(api, user, api.headers(user), image_set_of(api, user))
    made = [one.submit().json()["id"] for _ in range(QUOTA)]
    again = one.call("POST", f"/jobs/{made[0]}/rerun", json={})
    assert problem_of(again) == (429, "quota-jobs")
    assert Jobs(api, other, api.headers(other), image_set_of(api, other)).submit().status_code == 201
    assert one.call("POST", f"/jobs/{made[3]}/cancel").status_code == 200
    assert one.call("POST", f"/jobs/{made[3]}/retry").status_code == 201
    assert problem_of(one.submit()) == (429, "quota-jobs")
    one.end(one.begin(), JobTransition.COMPLETED)
    assert one.submit().status_code == 201
