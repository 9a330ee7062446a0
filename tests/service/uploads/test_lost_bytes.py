"""Bytes that the store has lost, over HTTP: every way to upload heals them, and submission names what is lost."""

from __future__ import annotations

import base64
import hashlib
import json

import httpx
import pytest

from e2e3d.storage.names import blob_name
from tests.command import e2e3d
from tests.service.api import Api
from tests.service.uploads.conftest import Desk, archive, new_desk, picture
from tests.service.uploads.test_s3 import api_on_s3, begin, put

__all__ = ["api_on_s3"]

NAMES = [f"{seed}.jpg" for seed in range(3)]
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


def sha256_of(seed: int) -> str:
    return hashlib.sha256(picture(seed)).hexdigest()


def fill(desk: Desk) -> None:
    desk.send(*((name, picture(seed)) for seed, name in enumerate(NAMES)))


def lose(desk: Desk, seed: int) -> None:
    desk.api.services.files.delete(blob_name(sha256_of(seed)))


def submit(desk: Desk, **headers: str) -> httpx.Response:
    return desk.call("POST", "/v1/jobs", json={"image_set_id": desk.set_id, "quality": "preview"}, headers=headers)


def send_by_form(desk: Desk, seed: int) -> None:
    item = desk.send((NAMES[seed], picture(seed))).json()["items"][0]
    assert (item["outcome"], item["findings"][0]["code"]) == ("known", "restored")


def send_by_tus(desk: Desk, seed: int, name: str = "", data: bytes = b"") -> None:
    name, data = name or NAMES[seed], data or picture(seed)
    headers = TUS | {
        "Upload-Length": str(len(data)),
        "Upload-Metadata": f"filename {base64.b64encode(name.encode()).decode()}",
    }
    made = desk.call("POST", f"/v1/image-sets/{desk.set_id}/uploads", headers=headers, content=data)
    upload = desk.finished(made.headers["location"].rsplit("/", 1)[1])
    assert (upload["known"], upload["remarks"][0]["findings"][0]["code"]) == (1, "restored")


def send_in_an_archive(desk: Desk, seed: int) -> None:
    send_by_tus(desk, seed, "all.zip", archive({NAMES[seed]: picture(seed)}))


def known(desk: Desk, seed: int) -> tuple[int, int]:
    """How many of one photograph the service takes by its hash, and how many it wants to be sent."""
    body = {"photos": [{"name": NAMES[seed], "sha256": sha256_of(seed)}]}
    answer = desk.call("POST", f"/v1/image-sets/{desk.set_id}/photos/known", json=body).json()
    return len(answer["items"]), len(answer["missing"])


@pytest.mark.parametrize("send", [send_by_form, send_by_tus, send_in_an_archive])
def test_every_way_to_upload_writes_lost_bytes_again(desk: Desk, send) -> None:
    fill(desk)
    assert known(desk, 1) == (1, 0)
    lose(desk, 1)
    assert known(desk, 1) == (0, 1)
    send(desk, 1)
    assert known(desk, 1) == (1, 0)
    assert len(desk.stored()) == 3


@pytest.mark.slow
def test_an_upload_straight_to_s3_writes_lost_bytes_again(api_on_s3: Api) -> None:
    desk = new_desk(api_on_s3)
    fill(desk)
    lose(desk, 1)
    begun = begin(desk, NAMES[1], len(picture(1))).json()
    path = f"/v1/uploads/{begun['upload']['id']}/complete"
    desk.call("POST", path, json={"etags": put(begun, picture(1))})
    assert desk.finished(begun["upload"]["id"])["known"] == 1
    assert submit(desk).status_code == 201


def test_a_submission_names_the_photographs_to_upload_again(desk: Desk) -> None:
    fill(desk)
    first = submit(desk, **{"Idempotency-Key": "one"})
    assert first.status_code == 201
    lose(desk, 0)
    lose(desk, 2)
    refused = submit(desk)
    assert (refused.status_code, refused.json()["code"]) == (422, "photographs-gone")
    assert refused.json()["detail"] == "The service no longer has 2 of 3 photographs: 0.jpg, 2.jpg."
    assert "pload these photographs again" in refused.json()["action"]
    replayed = submit(desk, **{"Idempotency-Key": "one"})  # it was accepted, and is said to have been
    assert (replayed.status_code, replayed.json()["id"]) == (201, first.json()["id"])
    job = f"/v1/jobs/{first.json()['id']}"
    desk.call("POST", f"{job}/cancel")
    for again in (f"{job}/retry", f"{job}/rerun"):
        assert desk.call("POST", again, json={"quality": "low"}).json()["code"] == "photographs-gone"
    for seed in (0, 2):
        send_by_form(desk, seed)
    assert desk.call("POST", f"{job}/retry").status_code == 201


def test_the_command_lists_what_is_lost(embedded_desk: Desk) -> None:
    desk = embedded_desk
    fill(desk)
    settings = desk.api.services.settings
    environment = {
        "E2E3D_HOME": str(settings.home),
        "E2E3D_DATABASE_URL": str(settings.database_url),
        "E2E3D_SECRET_KEY": "k" * 40,
    }
    whole = e2e3d("admin", "verify", "--deep", "--json", **environment)
    assert whole.returncode == 0, whole.stderr
    total = sum(len(picture(seed)) for seed in range(3))
    assert json.loads(whole.stdout) == {"blobs": 3, "results": 0, "read_bytes": total, "lost": []}
    lose(desk, 1)
    lost = e2e3d("admin", "verify", **environment)
    assert lost.returncode == 5
    assert "bytes-lost" in lost.stderr
    (line,) = lost.stdout.splitlines()
    assert {"photograph", desk.set_id, "1.jpg", "missing"} <= set(line.split())
