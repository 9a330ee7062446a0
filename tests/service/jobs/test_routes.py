from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e3d.data.judgement import Judgement, Reason
from e2e3d.errors import InputError
from e2e3d.service.database.table_base import now
from e2e3d.service.image_sets.tables import BlobRow, ImageSetRow, PhotoRow
from e2e3d.service.jobs import leases
from e2e3d.service.jobs.lifecycle import JobTransition
from e2e3d.service.jobs.records import Fence, ProgressUpdate
from e2e3d.storage.names import blob_name
from tests.service.api import Api, open_api
from tests.service.jobs.test_queries import KEEP

MATRIX = "400 0 320\n0 400 240\n0 0 1"


@dataclass
class Jobs:
    """A user with an image set."""

    api: Api
    user: str
    headers: dict[str, str]
    image_set: str

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        headers = self.headers | arguments.pop("headers", {})
        return self.api.client.request(method, f"/v1{path}", headers=headers, **arguments)

    def submit(self, **changes: Any) -> Any:
        return self.call("POST", "/jobs", json={"image_set_id": self.image_set, "quality": "preview"} | changes)

    def begin(self) -> Fence:
        with self.api.services.database.session() as session:
            job = leases.claim(session, "tests", now(), 60.0)
        assert job is not None
        return Fence(job.id, "tests", job.attempt)

    def end(
        self,
        fence: Fence,
        transition: JobTransition,
        error: InputError | None = None,
        judgement: Judgement | None = None,
    ) -> None:
        with self.api.services.database.session() as session:
            assert leases.finish(session, fence, transition, now(), KEEP, error, judgement) is not None


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("api")
    with open_api(f"sqlite:///{folder / 'database.sqlite'}", folder) as api:
        yield api


_numbers = iter(range(1000))


def image_set_of(api: Api, user: str) -> str:
    """An image set of three photographs that can be used and a file that cannot."""
    with api.services.database.session() as session:
        image_set = ImageSetRow(user_id=user, name="set", photo_count=4)
        session.add(image_set)
        session.flush()
        states = (("a.jpg", "ok"), ("b.jpg", "warning"), ("c.txt", "rejected"), ("d.jpg", "ok"))
        for position, (name, state) in enumerate(states):
            values = {"name": name, "sha256": name[0] * 64, "bytes": 9, "width_px": 4000, "height_px": 3000}
            session.add(PhotoRow(image_set_id=image_set.id, state=state, position=position, **values))
            session.merge(BlobRow(sha256=values["sha256"], bytes=9))
            api.services.files.write(blob_name(name[0] * 64), [b"123456789"])
        return image_set.id


@pytest.fixture
def one(opened: Api) -> Iterator[Jobs]:
    user = opened.user(f"user{next(_numbers)}@example.org")
    jobs = Jobs(opened, user, opened.headers(user), image_set_of(opened, user))
    yield jobs
    for job in jobs.call("GET", "/jobs?state=queued&limit=200").json()["items"]:
        jobs.call("POST", f"/jobs/{job['id']}/cancel")


def problem_of(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def test_a_job_is_queued_with_its_forecast(one: Jobs) -> None:
    answer = one.submit(name="Statue", settings={"depth.max_size_px": 512}, outputs=["glb"], options={"scale": 2.0})
    assert answer.status_code == 201
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["place_in_queue"], job["attempt"], job["outputs"]) == ("queued", 1, 0, ["glb"])
    assert (job["forecast"]["photos"], job["forecast"]["megapixels"]) == (3, 12.0)
    assert 0 < job["forecast"]["seconds_low"] < job["forecast"]["seconds_high"]
    assert job["forecast"]["memory_bytes"] > 10**8
    seen = one.call("GET", f"/jobs/{job['id']}").json()
    assert seen["stages"] == []
    assert {name: seen[name] for name in job} == job
    asked = one.call("POST", "/forecasts", json={"image_set_id": one.image_set, "quality": "preview"}).json()
    assert asked["queued_ahead"] == 1
    assert asked["seconds_low"] < job["forecast"]["seconds_low"]  # of preview as it is, with smaller depth maps


@pytest.mark.parametrize(
    ("changes", "status", "code", "says"),
    [
        ({"quality": "best"}, 422, "unknown-quality", "preview, low"),
        ({"settings": {"depth.maxsize": 3}}, 422, "unknown-setting", "Did you mean depth.max_size_px?"),
        ({"settings": {"depth.max_size_px": "many"}}, 422, "bad-setting", "type int"),
        ({"settings": {"depth.max_size_px": 10**400}}, 422, "bad-setting", "64 to 8,192"),
        ({"settings": {"depth.noise_sigma": 10**400}}, 422, "bad-setting", "type float"),
        ({"settings": {"depth.max_size_px": "9" * 5000}}, 422, "bad-setting", "type int"),
        ({"settings": {"texture.max_pages": 17}}, 422, "bad-setting", "1 to 16"),
        ({"options": {"intrinsics": "1 2 3"}}, 422, "intrinsics-form", "fx 0 cx"),
        (
            {"options": {"known_distance": {"photo_a": "a.jpg", "photo_b": "z.jpg", "metres": 1}}},
            422,
            "bad-distance",
            "",
        ),
        (
            {"options": {"known_distance": {"photo_a": "a.jpg", "photo_b": "a.jpg", "metres": 1}}},
            422,
            "bad-distance",
            "",
        ),
        ({"options": {"scale": -1}}, 422, "invalid-request", ""),
        ({"options": {"scale": 1e300}}, 422, "invalid-request", ""),
        ({"outputs": ["everything"]}, 422, "invalid-request", ""),
        ({"priority": 1}, 403, "priority-reserved", ""),
        ({"webhook_url": "http://127.0.0.1/"}, 422, "webhook-address-refused", ""),
        ({"image_set_id": "nowhere"}, 404, "image-set-missing", ""),
        ({"settings": {"depth.max_size_px": {"a": 1}}}, 422, "invalid-request", ""),
    ],
)
def test_what_is_wrong_is_said_before_the_job_is_queued(
    one: Jobs, changes: dict[str, Any], status: int, code: str, says: str
) -> None:
    answer = one.submit(**changes)
    assert problem_of(answer) == (status, code)
    assert says in answer.json()["action"]
    assert one.call("GET", "/jobs").json()["items"] == []


def test_options_reach_the_job(one: Jobs) -> None:
    distance = {"photo_a": "a.jpg", "photo_b": "b.jpg", "metres": 1.5}
    job = one.submit(options={"intrinsics": MATRIX, "known_distance": distance}).json()
    assert job["options"] == {"intrinsics": MATRIX, "known_distance": ["a.jpg", "b.jpg", 1.5]}
    again = one.call("POST", f"/jobs/{job['id']}/rerun", json={"settings": {"mesh.max_faces": 9000}}).json()
    assert (again["retry_of"], again["options"]) == (job["id"], job["options"])
    assert again["settings"] == {"mesh.max_faces": 9000}


def test_a_job_needs_photographs_and_the_quota_for_them(one: Jobs, opened: Api) -> None:
    with opened.services.database.session() as session:
        empty = ImageSetRow(user_id=one.user, name="empty")
        session.add(empty)
    assert problem_of(one.submit(image_set_id=empty.id)) == (422, "no-photographs")
    admin = opened.user(f"admin{next(_numbers)}@example.org", "admin")
    changed = opened.client.patch(f"/v1/users/{one.user}", json={"quota_photos": 1}, headers=opened.headers(admin))
    assert changed.status_code == 200, changed.text
    assert problem_of(one.submit()) == (403, "quota-photos")


def test_a_set_that_is_too_small_is_refused_at_once(one: Jobs, opened: Api) -> None:
    """The engine refuses it too, with the same code, after a start and a look at every photograph."""
    with opened.services.database.session() as session:
        small = ImageSetRow(user_id=one.user, name="small")
        session.add(small)
        session.flush()
        for position, name in enumerate(("a.jpg", "b.jpg", "masks/a.png", "masks/b.png")):
            values = {"sha256": f"{position:064}", "bytes": 9, "name": name, "position": position}
            session.add(PhotoRow(image_set_id=small.id, state="ok", **values))
    answer = one.submit(image_set_id=small.id)
    assert problem_of(answer) == (422, "too-few-photographs")
    assert "2 photographs" in answer.json()["detail"]
    assert one.call("GET", "/jobs").json()["items"] == []


def test_a_rerun_keeps_the_settings_and_options_that_it_does_not_change(one: Jobs) -> None:
    settings = {"depth.max_size_px": 512, "mesh.max_faces": 9000}
    job = one.submit(settings=settings, options={"scale": 2.0, "intrinsics": MATRIX}).json()["id"]

    def again(**changes: Any) -> Any:
        answer = one.call("POST", f"/jobs/{job}/rerun", json=changes)
        assert answer.status_code == 201, answer.text
        return answer.json()

    assert again()["settings"] == settings
    assert again(settings={"mesh.max_faces": 5000})["settings"] == settings | {"mesh.max_faces": 5000}
    assert again(settings={"texture.max_pages": 2})["settings"] == settings | {"texture.max_pages": 2}
    assert again(settings={"depth.max_size_px": None})["settings"] == {"mesh.max_faces": 9000}
    assert again(options={"scale": 3.0})["options"] == {"scale": 3.0, "intrinsics": MATRIX}
    assert again(options={"intrinsics": None})["options"] == {"scale": 2.0}
    wrong = one.call("POST", f"/jobs/{job}/rerun", json={"settings": {"depth.max_size_px": 1}})
    assert problem_of(wrong) == (422, "bad-setting")


def test_a_rerun_says_what_it_uses_again(one: Jobs) -> None:
    job = one.submit().json()["id"]
    path = f"/jobs/{job}/rerun-forecast"
    unfinished = one.call("POST", path, json={}).json()
    assert unfinished["reused"] == []
    one.end(one.begin(), JobTransition.COMPLETED)
    same = one.call("POST", path, json={}).json()
    texture = one.call("POST", path, json={"settings": {"texture.atlas_size_px": 512}}).json()
    mesh = one.call("POST", path, json={"settings": {"mesh.max_faces": 1000}}).json()
    assert same["reused"][-1] == "export"
    assert texture["reused"] == [name for name in same["reused"] if name not in ("texture", "export")]
    assert mesh["reused"] == [name for name in texture["reused"] if name != "mesh"]
    assert texture["seconds_high"] < mesh["seconds_high"] < unfinished["seconds_high"]
    higher = one.call("POST", path, json={"quality": "high"}).json()
    assert "features" not in higher["reused"]
    assert one.call("POST", path, json={"options": {"scale": 2.0}}).json()["reused"] == []
    assert one.call("POST", path, json={"settings": {"no.such": 1}}).status_code == 422


def test_a_job_that_succeeded_is_not_retried(one: Jobs) -> None:
    job = one.submit().json()["id"]
    one.end(one.begin(), JobTransition.COMPLETED)
    answer = one.call("POST", f"/jobs/{job}/retry")
    assert problem_of(answer) == (409, "job-succeeded")
    assert "Rerun" in answer.json()["action"]


def test_there_is_no_archive_of_nothing(one: Jobs) -> None:
    job = one.submit().json()["id"]
    answer = one.call("GET", f"/jobs/{job}/archive")
    assert problem_of(answer) == (409, "no-results")
    assert "queued" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["created_after", "created_before"])
def test_moments_at_the_ends_of_time(one: Jobs, name: str) -> None:
    for moment in ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"):
        answer = one.call("GET", "/jobs", params={name: moment})
        assert problem_of(answer) == (422, "invalid-request")
        assert "9999" in answer.json()["detail"]
    for moment in ("9999-12-31T23:59:59", "0001-01-01T00:00:00Z", "2026-01-01T00:00:00+05:00"):
        assert one.call("GET", "/jobs", params={name: moment}).status_code == 200


def test_the_same_key_makes_the_same_job(one: Jobs) -> None:
    body = {"image_set_id": one.image_set, "quality": "preview"}
    first = one.call("POST", "/jobs", json=body, headers={"Idempotency-Key": "x"})
    second = one.call("POST", "/jobs", json=body, headers={"Idempotency-Key": "x"})
    assert first.status_code == second.status_code == 201
    assert first.json()["id"] == second.json()["id"]
    assert ("idempotency-replayed" in first.headers, "idempotency-replayed" in second.headers) == (False, True)
    other = one.call("POST", "/jobs", json=body | {"name": "y"}, headers={"Idempotency-Key": "x"})
    assert problem_of(other) == (422, "idempotency-key-reused")


def test_a_life_over_http(one: Jobs, opened: Api) -> None:
    job = one.submit(name="life").json()["id"]
    fence = one.begin()
    with opened.services.database.session() as session:
        assert leases.write_progress(session, fence, ProgressUpdate("depth", 3, 8, 0.4, (5.0, 9.0)), now())
    seen = one.call("GET", f"/jobs/{job}").json()
    assert (seen["state"], seen["stage"], seen["units_done"], seen["progress"]) == ("running", "depth", 3, 0.4)
    assert (seen["eta_low_s"], seen["eta_high_s"], seen["place_in_queue"]) == (5.0, 9.0, None)
    assert problem_of(one.call("DELETE", f"/jobs/{job}")) == (409, "job-active")
    assert problem_of(one.call("POST", f"/jobs/{job}/retry")) == (409, "job-active")
    asked = one.call("POST", f"/jobs/{job}/cancel").json()
    assert (asked["state"], asked["cancel_requested"]) == ("running", True)
    one.end(fence, JobTransition.REFUSED, InputError("too-few", "Too few.", "Take more."))
    seen = one.call("GET", f"/jobs/{job}").json()
    assert seen["error"] == {"code": "too-few", "message": "Too few.", "action": "Take more."}
    again = one.call("POST", f"/jobs/{job}/retry").json()
    assert (again["state"], again["retry_of"], again["name"]) == ("queued", job, "life")
    assert one.call("DELETE", f"/jobs/{job}").status_code == 204
    assert problem_of(one.call("GET", f"/jobs/{job}")) == (404, "job-missing")


def test_the_judgement_stands_in_the_job(one: Jobs) -> None:
    doubtful, failed = one.submit().json()["id"], one.submit().json()["id"]
    assert one.call("GET", f"/jobs/{doubtful}").json()["judgement"] is None
    judgement = Judgement("doubtful", (Reason("imprecise", "It is soft.", "Focus."),))
    one.end(one.begin(), JobTransition.COMPLETED, judgement=judgement)
    one.end(one.begin(), JobTransition.REFUSED, InputError("too-few", "Too few.", "Take more."))
    assert one.call("GET", f"/jobs/{doubtful}").json()["judgement"] == {
        "verdict": "doubtful",
        "reasons": [{"code": "imprecise", "message": "It is soft.", "action": "Focus."}],
    }
    assert one.call("GET", f"/jobs/{failed}").json()["judgement"] == {
        "verdict": "failed",
        "reasons": [{"code": "too-few", "message": "Too few.", "action": "Take more."}],
    }


def test_jobs_of_others_do_not_exist(one: Jobs, opened: Api) -> None:
    job = one.submit().json()["id"]
    other = {"headers": opened.headers(opened.user(f"other{next(_numbers)}@example.org"))}
    calls = [("GET", ""), ("GET", "/log"), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")]
    for method, path in calls:
        assert problem_of(one.call(method, f"/jobs/{job}{path}", **other)) == (404, "job-missing")
    assert problem_of(one.call("POST", f"/jobs/{job}/rerun", json={}, **other)) == (404, "job-missing")
    assert one.call("GET", "/jobs", **other).json()["items"] == []
    assert one.call("GET", f"/jobs/{job}").json()["state"] == "queued"


def test_lists_and_logs_come_in_pages(one: Jobs) -> None:
    made = [one.submit(name=f"number {number}").json()["id"] for number in range(5)]
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = one.call("GET", f"/jobs?limit=2{cursor and '&cursor='}{cursor}").json()
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
    assert seen == list(reversed(made))
    assert [job["id"] for job in one.call("GET", "/jobs?text=Number 3").json()["items"]] == [made[3]]
    umlaut = one.submit(name="Öl ÄÖ").json()["id"]
    assert [job["id"] for job in one.call("GET", "/jobs?text=ÄÖ").json()["items"]] == [umlaut]
    assert one.call("GET", "/jobs?state=running&state=failed").json()["items"] == []
    assert problem_of(one.call("GET", "/jobs?state=lost")) == (422, "invalid-request")
    assert problem_of(one.call("GET", "/jobs?cursor=lost")) == (422, "cursor")


def events_of(one: Jobs, path: str, **headers: str) -> list[tuple[int, str, Any]]:
    """The events of a stream that ends."""
    found = []
    with one.api.client.stream("GET", f"/v1{path}", headers=one.headers | headers) as stream:
        if stream.status_code == 204:
            return []
        assert stream.headers["content-type"].startswith("text/event-stream")
        entry: dict[str, str] = {}
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            entry[name] = value
            if name == "data":
                found.append((int(entry["id"]), entry["event"], json.loads(value)))
    return found


def test_a_stream_tells_everything_once_and_goes_on_from_any_id(one: Jobs, opened: Api) -> None:
    job = one.submit().json()["id"]
    fence = one.begin()
    one.end(fence, JobTransition.COMPLETED)
    everything = events_of(one, f"/jobs/{job}/events")
    assert [kind for _, kind, _ in everything] == ["job.queued", "job.running", "job.succeeded"]
    assert everything[-1][2]["state"] == "succeeded"
    second = str(everything[1][0])
    assert events_of(one, f"/jobs/{job}/events", **{"Last-Event-ID": second}) == everything[2:]
    assert events_of(one, f"/jobs/{job}/events?after={second}") == everything[2:]
    assert events_of(one, f"/jobs/{job}/events?after={everything[2][0]}") == []


def test_a_socket_tells_the_same(one: Jobs, opened: Api) -> None:
    job = one.submit().json()["id"]
    one.end(one.begin(), JobTransition.COMPLETED)
    token = one.headers["Authorization"].partition(" ")[2]
    with opened.client.websocket_connect(f"/v1/jobs/{job}/events/ws?access_token={token}") as socket:
        told = [socket.receive_json() for _ in range(3)]
        assert socket.receive()["code"] == 1000
    assert [(event["id"], event["type"]) for event in told] == [
        (number, kind) for number, kind, _ in events_of(one, f"/jobs/{job}/events")
    ]
    for path, code in ((f"jobs/{job}/events/ws", 4401), (f"jobs/nowhere/events/ws?access_token={token}", 4404)):
        with opened.client.websocket_connect(f"/v1/{path}") as socket:
            assert socket.receive()["code"] == code


def test_a_user_hears_of_all_jobs_as_they_happen(one: Jobs, opened: Api) -> None:
    token = one.headers["Authorization"].partition(" ")[2]
    with opened.client.websocket_connect(f"/v1/events/ws?access_token={token}&after=0") as socket:
        first = one.submit().json()["id"]
        assert (socket.receive_json()["data"]["job_id"]) == first
        fence = one.begin()
        assert socket.receive_json()["type"] == "job.running"
        one.end(fence, JobTransition.STOPPED)
        assert socket.receive_json()["type"] == "job.cancelled"


def test_deleting_removes_the_files(one: Jobs, opened: Api, tmp_path: Path) -> None:
    job = one.submit().json()["id"]
    name = f"results/{job}/model.glb"
    opened.services.files.write(name, [b"model"])
    one.end(one.begin(), JobTransition.COMPLETED)
    assert one.call("DELETE", f"/jobs/{job}").status_code == 204
    assert opened.services.files.size(name) is None


def test_a_full_queue_is_a_clear_error_and_takes_jobs_again_later(one: Jobs) -> None:
    services = one.api.services
    waiting = len(one.call("GET", "/jobs?state=queued").json()["items"])
    object.__setattr__(services, "settings", services.settings.model_copy(update={"queue_jobs": waiting + 1}))
    try:
        first = one.submit()
        assert first.status_code == 201
        refused = one.submit()
        assert problem_of(refused) == (503, "queue-full")
        assert refused.headers["retry-after"] == "60"
        one.call("POST", f"/jobs/{first.json()['id']}/cancel")
        assert one.submit().status_code == 201
    finally:
        object.__setattr__(services, "settings", services.settings.model_copy(update={"queue_jobs": 10_000}))
