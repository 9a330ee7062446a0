"""Uploads that go straight to S3, and imports from it, with a real S3 server."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from e2e3d.storage.names import blob_name
from e2e3d.storage.opening import open_objects
from tests.servers import S3Server
from tests.service.api import Api, open_api
from tests.service.uploads.conftest import Desk, archive, new_desk, picture, s3_settings


@pytest.fixture
def api_on_s3(s3_server: S3Server, tmp_path: Path) -> Iterator[Api]:
    with open_api(f"sqlite:///{tmp_path / 'db.sqlite'}", tmp_path, **s3_settings(s3_server)) as api:
        yield api


def begin(desk: Desk, name: str, size: int) -> httpx.Response:
    path = f"/v1/image-sets/{desk.set_id}/presigned-uploads"
    return desk.call("POST", path, json={"name": name, "size_bytes": size})


def put(begun: dict, data: bytes) -> list[str]:
    etags = []
    for part in begun["parts"]:
        start = (part["number"] - 1) * begun["part_bytes"]
        answer = httpx.put(part["url"], content=data[start : start + begun["part_bytes"]], timeout=60)
        assert answer.status_code == 200, answer.text
        etags.append(answer.headers["etag"])
    return etags


@pytest.mark.slow
def test_an_archive_in_parts(api_on_s3: Api) -> None:
    desk = new_desk(api_on_s3)
    members = {f"{seed}.jpg": picture(seed) for seed in range(2)}
    data = archive(members | {"padding.bin": bytes(9_000_000)})
    begun = begin(desk, "set.zip", len(data)).json()
    assert (begun["part_count"], len(begun["parts"])) == (2, 2)
    upload = f"/v1/uploads/{begun['upload']['id']}"
    again = desk.call("POST", f"{upload}/parts", json={"numbers": [2]}).json()
    assert [part["number"] for part in again["parts"]] == [2]
    assert desk.call("POST", f"{upload}/parts", json={"numbers": [3]}).json()["code"] == "part-number"
    etags = put(begun, data)
    wrong = desk.call("POST", f"{upload}/complete", json={"etags": [etags[0], '"0"']})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "parts-wrong")
    assert desk.call("POST", f"{upload}/complete", json={"etags": etags}).status_code == 200
    finished = desk.finished(begun["upload"]["id"])
    assert (finished["state"], finished["added"], finished["ignored"]) == ("done", 2, 1)
    assert set(desk.photos()) == set(members)
    assert not any(name.startswith("uploads/") for name in desk.stored())
    repeated = desk.call("POST", f"{upload}/complete", json={"etags": etags}).json()
    assert repeated["state"] == "done"


@pytest.mark.slow
def test_a_photograph_of_another_length_than_announced(api_on_s3: Api) -> None:
    desk = new_desk(api_on_s3)
    begun = begin(desk, "a.jpg", 100).json()
    etags = [httpx.put(begun["parts"][0]["url"], content=picture(1)).headers["etag"]]
    answer = desk.call("POST", f"/v1/uploads/{begun['upload']['id']}/complete", json={"etags": etags})
    assert (answer.status_code, answer.json()["code"]) == (422, "upload-size")
    assert desk.stored() == set()
    given_up = begin(desk, "b.jpg", len(picture(1))).json()
    put(given_up, picture(1))
    tus = {"Tus-Resumable": "1.0.0"}
    assert desk.call("DELETE", f"/v1/uploads/{given_up['upload']['id']}", headers=tus).status_code == 204
    assert desk.stored() == set()


def test_only_where_the_store_is_s3(embedded_desk: Desk) -> None:
    answer = begin(embedded_desk, "a.jpg", 10)
    assert (answer.status_code, answer.json()["code"]) == (409, "presigned-needs-s3")
    assert "tus" in answer.json()["action"]


@pytest.mark.slow
def test_a_prefix_is_imported(api_on_s3: Api) -> None:
    desk = new_desk(api_on_s3)
    settings = api_on_s3.services.settings
    source = settings.allowed_s3_prefixes[0]
    files = open_objects(f"{source}/day1", settings.s3_options)
    for seed in range(3):
        files.write(f"sub/{seed}.jpg", [picture(seed)])
    files.write("notes.txt", [b"hello"])
    path = f"/v1/image-sets/{desk.set_id}/imports"
    answer = desk.call("POST", path, json={"source": f"{source}/day1/"})
    assert answer.status_code == 202
    finished = desk.finished(answer.json()["id"])
    assert (finished["state"], finished["added"], finished["ignored"]) == ("done", 3, 1)
    assert set(desk.photos()) == {"sub/0.jpg", "sub/1.jpg", "sub/2.jpg"}
    assert desk.stored() == {blob_name(hashlib.sha256(picture(seed)).hexdigest()) for seed in range(3)}
    for wrong in (f"{source}2", f"{source}/../store", "s3://other/bucket", "/etc/passwd"):
        refused = desk.call("POST", path, json={"source": wrong})
        assert (refused.status_code, refused.json()["code"]) == (422, "prefix-not-allowed")


@pytest.mark.slow
def test_an_empty_prefix_says_so(api_on_s3: Api) -> None:
    desk = new_desk(api_on_s3)
    source = f"{api_on_s3.services.settings.allowed_s3_prefixes[0]}/nothing"
    answer = desk.call("POST", f"/v1/image-sets/{desk.set_id}/imports", json={"source": source})
    finished = desk.finished(answer.json()["id"])
    assert (finished["state"], finished["error"]["code"]) == ("failed", "no-photographs")
