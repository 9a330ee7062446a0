"""Results: listed, downloaded whole and in parts, archived, and shared by signed addresses."""

import datetime
import io
import time
import zipfile

import httpx
import pytest

from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.results.signed_links import sign_link
from e2e3d.service.results.tables import ResultRow
from tests.service.uploads.conftest import Desk, new_desk

DATA = bytes(range(256)) * 20_000
FILES = {
    "model.glb": (DATA, "model/gltf-binary"),
    "report.html": (b"<p>hello</p>", "text/html"),
    "sparse/0/é x.bin": (b"", "application/octet-stream"),
}


def finished_job(desk: Desk, state: str = "succeeded") -> str:
    now = datetime.datetime.now(datetime.UTC)
    with desk.api.services.database.session() as session:
        job = JobRow(user_id=desk.user_id, state=state, quality="draft", name="my/fountain", created_at=now)
        session.add(job)
        session.flush()
        job_id = job.id
    for path, (data, media_type) in FILES.items():
        key = f"results/{job_id}/{path}"
        written = desk.api.services.files.write(key, [data])
        kept = {"media_type": media_type, "bytes": written.bytes, "sha256": written.sha256, "key": key}
        with desk.api.services.database.session() as session:
            session.add(ResultRow(job_id=job_id, path=path, **kept))
    return job_id


def test_results_of_jobs_in_any_state(desk: Desk) -> None:
    for state in ("succeeded", "failed", "cancelled", "running"):
        check_results(desk, finished_job(desk, state))


def check_results(desk: Desk, job_id: str) -> None:
    first = desk.call("GET", f"/v1/jobs/{job_id}/results", params={"limit": 2}).json()
    params = {"limit": 2, "cursor": first["next_cursor"]}
    rest = desk.call("GET", f"/v1/jobs/{job_id}/results", params=params).json()
    assert [each["path"] for each in first["items"] + rest["items"]] == sorted(FILES)
    assert {each["path"]: each["bytes"] for each in first["items"]} == {"model.glb": len(DATA), "report.html": 12}
    answer = desk.call("GET", f"/v1/jobs/{job_id}/results/model.glb")
    assert (answer.status_code, answer.content == DATA) == (200, True)
    assert answer.headers["content-type"] == "model/gltf-binary"
    assert answer.headers["etag"] == f'"{first["items"][0]["sha256"]}"'
    assert answer.headers["accept-ranges"] == "bytes"
    empty = desk.call("GET", f"/v1/jobs/{job_id}/results/sparse/0/é x.bin")
    assert (empty.status_code, empty.content) == (200, b"")


RANGES = [
    ("bytes=0-0", 0, 1),
    ("bytes=5-", 5, None),
    ("bytes=-7", -7, None),
    ("bytes=1048570-2097160", 1_048_570, 2_097_161),
    ("bytes=5119999-9999999", 5_119_999, None),
    ("bytes=-99999999", -99_999_999, None),
    ("Bytes = 1 - 3", None, None),
    ("bytes=3-1", None, None),
    ("bytes=0-1,5-6", None, None),
    ("bytes=-", None, None),
    ("lines=0-1", None, None),
    ("bytes=a-b", None, None),
]


def test_ranges(desk: Desk) -> None:
    path = f"/v1/jobs/{finished_job(desk)}/results/model.glb"
    for wanted, start, end in RANGES:
        answer = desk.call("GET", path, headers={"Range": wanted})
        if start is None:  # not understood: the whole file, as RFC 9110 asks
            assert (answer.status_code, len(answer.content)) == (200, len(DATA)), wanted
            continue
        expected = DATA[start:end]
        assert (answer.status_code, answer.content == expected) == (206, True), wanted
        first = start if start >= 0 else max(0, len(DATA) + start)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(DATA)}"
        assert answer.headers["content-length"] == str(len(expected))
    for wanted in ("bytes=5120000-", "bytes=9999999-99999999", "bytes=-0"):
        answer = desk.call("GET", path, headers={"Range": wanted})
        assert (answer.status_code, answer.json()["code"]) == (416, "range"), wanted
        assert answer.headers["content-range"] == f"bytes */{len(DATA)}"


def test_validators(desk: Desk) -> None:
    path = f"/v1/jobs/{finished_job(desk)}/results/model.glb"
    head = desk.call("HEAD", path, headers={"Range": "bytes=0-1"})
    etag = head.headers["etag"]
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(DATA)))
    assert desk.call("GET", path, headers={"Range": "bytes=0-1", "If-Range": etag}).status_code == 206
    assert desk.call("GET", path, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status_code == 200
    assert desk.call("GET", path, headers={"If-None-Match": f'"x", W/{etag}'}).status_code == 304
    assert desk.call("GET", path, headers={"If-None-Match": '"x"'}).status_code == 200


def test_pages_are_not_shown_as_pages_of_this_site(desk: Desk) -> None:
    answer = desk.call("GET", f"/v1/jobs/{finished_job(desk)}/results/report.html")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "model.glb/", "MODEL.GLB", "", "%00", "sparse", "%2e%2e/x"]
)
def test_other_paths_are_not_there(embedded_desk: Desk, path: str) -> None:
    job_id = finished_job(embedded_desk)
    answer = embedded_desk.call("GET", f"/v1/jobs/{job_id}/results/{path}")
    assert answer.status_code in (404, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_archive_of_everything(desk: Desk) -> None:
    answer = desk.call("GET", f"/v1/jobs/{finished_job(desk)}/archive")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert 'filename="my_fountain.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        assert {name: file.read(name) for name in file.namelist()} == {name: data for name, (data, _) in FILES.items()}


def links_of(desk: Desk, job_id: str, *paths: str, expires_in_s: int = 60) -> httpx.Response:
    body = {"paths": list(paths), "expires_in_s": expires_in_s}
    return desk.call("POST", f"/v1/jobs/{job_id}/result-links", json=body)


def follow(desk: Desk, url: str, **headers: str) -> httpx.Response:
    """Fetch an address without any token."""
    own = desk.api.services.settings.url
    if url.startswith(own):
        return desk.api.client.get(url.removeprefix(own), headers=headers)
    return httpx.get(url, headers=headers)


def test_signed_addresses(desk: Desk) -> None:
    job_id = finished_job(desk)
    answer = links_of(desk, job_id, "model.glb", "sparse/0/é x.bin")
    urls = {each["path"]: each["url"] for each in answer.json()["items"]}
    whole = follow(desk, urls["model.glb"])
    assert (whole.status_code, whole.content == DATA) == (200, True)
    assert whole.headers["content-type"] == "model/gltf-binary"
    part = follow(desk, urls["model.glb"], Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, DATA[10:20])
    named = follow(desk, urls["sparse/0/é x.bin"])
    assert named.status_code == 200
    assert "%C3%A9%20x.bin" in named.headers["content-disposition"]
    short = links_of(desk, job_id, "model.glb", expires_in_s=1).json()["items"][0]["url"]
    time.sleep(2.1)
    assert follow(desk, short).status_code == 403
    lacking = links_of(desk, job_id, "model.glb", "other.glb")
    assert (lacking.status_code, lacking.json()["code"]) == (404, "result-missing")


def test_forged_addresses(embedded_desk: Desk) -> None:
    desk = embedded_desk
    job_id, other = finished_job(desk), finished_job(desk)
    url = links_of(desk, job_id, "model.glb").json()["items"][0]["url"]
    token, name = url.split("/")[-2:]
    expires, result_id, signature = token.split(".")
    with desk.api.services.database.reading() as session:
        others = session.query(ResultRow).filter_by(job_id=other, path="model.glb").one().id
    forged = [
        f"{int(expires) + 9999}.{result_id}.{signature}",
        f"{expires}.{others}.{signature}",
        f"{expires}.{result_id}.{signature[:-2]}",
        f"{expires}.{result_id}.",
        f"{expires}.{result_id}",
        sign_link("another secret", result_id, int(expires)),
        "x",
        "é.é.é",
        "..",
    ]
    for each in forged:
        answer = desk.api.client.get(f"/v1/downloads/{each}/{name}")
        assert answer.status_code in (403, 404), each
        assert answer.headers["content-type"] == "application/problem+json"
    assert desk.api.client.get(f"/v1/downloads/{token}/any-name").status_code == 200
    with desk.api.services.database.session() as session:
        session.get_one(JobRow, job_id).deleted_at = datetime.datetime.now(datetime.UTC)
    assert desk.api.client.get(f"/v1/downloads/{token}/{name}").status_code == 404


def test_results_belong_to_their_user(desk: Desk) -> None:
    job_id = finished_job(desk)
    stranger = new_desk(desk.api)
    calls = [
        ("GET", "results", {}),
        ("GET", "results/model.glb", {}),
        ("HEAD", "results/model.glb", {}),
        ("GET", "archive", {}),
        ("POST", "result-links", {"json": {"paths": ["model.glb"]}}),
    ]
    for method, path, arguments in calls:
        assert stranger.call(method, f"/v1/jobs/{job_id}/{path}", **arguments).status_code == 404
        assert desk.api.client.request(method, f"/v1/jobs/{job_id}/{path}", **arguments).status_code == 401
        assert desk.call(method, f"/v1/jobs/{job_id}/{path}", **arguments).status_code == 200


def test_bytes_that_are_gone_are_an_error(desk: Desk) -> None:
    job_id = finished_job(desk)
    desk.api.services.files.delete(f"results/{job_id}/model.glb")
    answer = desk.call("GET", f"/v1/jobs/{job_id}/results/model.glb")
    assert (answer.status_code, answer.json()["code"]) == (410, "result-gone")
    whole = desk.call("GET", f"/v1/jobs/{job_id}/archive")  # before its first byte, not in the middle
    assert (whole.status_code, whole.json()["code"]) == (410, "result-gone")
    link = desk.call("POST", f"/v1/jobs/{job_id}/result-links", json={"paths": ["model.glb"]})
    assert (link.status_code, link.json()["code"]) == (410, "result-gone")
