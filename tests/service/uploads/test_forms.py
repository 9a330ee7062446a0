"""Photographs sent as forms."""

import random
import zipfile

import pytest

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.intake import import_threads
from e2e3d.storage.names import blob_name
from tests.service.uploads.conftest import Desk, archive, picture


def outcomes(answer) -> dict[str, tuple[str, list[str]]]:
    return {
        item["name"]: (item["outcome"], [finding["code"] for finding in item["findings"]])
        for item in answer.json()["items"]
    }


def test_many_files_in_one_form(desk: Desk) -> None:
    answer = desk.send(
        ("day1/a.jpg", picture(1)),
        ("b.jpg", picture(2)),
        ("again.jpg", picture(1)),
        ("notes.txt", b"this is no photograph"),
        ("../../etc/passwd.jpg", picture(3)),
        (".DS_Store", picture(4)),
        ("empty.jpg", b""),
        ("broken.jpg", picture(5)[:-3000]),
    )
    assert answer.status_code == 200
    assert outcomes(answer) == {
        "day1/a.jpg": ("added", []),
        "b.jpg": ("added", []),
        "again.jpg": ("known", ["duplicate"]),
        "notes.txt": ("rejected", ["not-a-photograph"]),
        "../../etc/passwd.jpg": ("rejected", ["unsafe-name"]),
        ".DS_Store": ("ignored", []),
        "empty.jpg": ("rejected", ["not-a-photograph"]),
        "broken.jpg": ("rejected", ["photo-unreadable"]),
    }
    assert answer.json()["image_set"]["photo_count"] == 2
    added = [item["photo"] for item in answer.json()["items"] if item["outcome"] == "added"]
    assert desk.stored() == {blob_name(photo["sha256"]) for photo in added}
    content = b"".join(desk.api.services.files.read(blob_name(added[0]["sha256"])))
    assert content == picture(1)


def test_sending_again_changes_nothing(desk: Desk) -> None:
    files = [(f"{seed}.jpg", picture(seed)) for seed in range(3)]
    desk.send(*files)
    before = desk.photos()
    assert {outcome for outcome, _ in outcomes(desk.send(*files)).values()} == {"known"}
    assert desk.photos() == before


def test_an_archive_in_a_form(desk: Desk) -> None:
    answer = desk.send(("set.zip", archive({f"{seed}.jpg": picture(seed) for seed in range(3)})), ("x.jpg", picture(9)))
    upload_id = answer.json()["items"][0]["upload_id"]
    assert [item["outcome"] for item in answer.json()["items"]] == ["importing", "added"]
    upload = desk.finished(upload_id)
    assert (upload["state"], upload["added"], upload["files_total"]) == ("done", 3, 3)
    assert set(desk.photos()) == {"0.jpg", "1.jpg", "2.jpg", "x.jpg"}
    assert not any(name.startswith("uploads/") for name in desk.stored())
    listed = desk.call("GET", f"/v1/image-sets/{desk.set_id}/uploads").json()
    assert [each["id"] for each in listed["items"]] == [upload_id]


def test_a_bomb_is_refused(desk: Desk) -> None:
    bomb = archive({"a.jpg": bytes(60_000_000)}, zipfile.ZIP_DEFLATED)
    upload = desk.finished(desk.send(("bomb.zip", bomb)).json()["items"][0]["upload_id"])
    assert (upload["state"], upload["error"]["code"]) == ("failed", "zip-too-large")
    assert desk.stored() == set()


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b"{}", 415, "form-type"),
        ("multipart/form-data", b"", 415, "form-type"),
        ("multipart/form-data; boundary=x", b"", 400, "form-broken"),
        ("multipart/form-data; boundary=x", b"--y\r\n", 400, "form-broken"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.jpg"\r\n\r\n\xff\xd8\xffhalf',
            400,
            "form-broken",
        ),
        (f"multipart/form-data; boundary={'x' * 3000}", b"", 400, "form-broken"),
    ],
)
def test_forms_that_are_none(embedded_desk: Desk, content_type: str, body: bytes, status: int, code: str) -> None:
    path = f"/v1/image-sets/{embedded_desk.set_id}/photos"
    answer = embedded_desk.call("POST", path, content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert embedded_desk.photos() == {}
    assert embedded_desk.stored() == set()


def test_fields_that_are_no_files_are_passed_over(embedded_desk: Desk) -> None:
    path = f"/v1/image-sets/{embedded_desk.set_id}/photos"
    form = {"data": {"note": "hello"}, "files": [("file", ("a.jpg", picture(1)))]}
    assert outcomes(embedded_desk.call("POST", path, **form)) == {"a.jpg": ("added", [])}
    long = embedded_desk.call("POST", path, data={"note": "x" * 100_000}, files=[("file", ("b.jpg", picture(2)))])
    assert (long.status_code, long.json()["code"]) == (413, "field-too-large")


def test_the_quota_ends_an_upload(desk: Desk) -> None:
    with desk.api.services.database.session() as session:
        session.get_one(UserRow, desk.user_id).quota_bytes = len(picture(1)) + 10
    answer = desk.send(("a.jpg", picture(1)), ("b.jpg", picture(2)))
    assert (answer.status_code, answer.json()["code"]) == (413, "quota-bytes")
    assert set(desk.photos()) == {"a.jpg"}  # what arrived before stays
    with desk.api.services.database.session() as session:
        session.get_one(UserRow, desk.user_id).quota_bytes = 1
    assert desk.send(("c.jpg", b"")).json()["code"] == "quota-bytes"


def test_a_file_that_is_too_long(embedded_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2e3d.service.uploads.receive.MAX_PHOTO_BYTES", 50_000)
    answer = embedded_desk.send(("big.jpg", picture(1) + bytes(3_000_000)), ("a.jpg", picture(2)))
    assert outcomes(answer) == {"big.jpg": ("rejected", ["file-too-large"]), "a.jpg": ("added", [])}
    assert len(embedded_desk.stored()) == 1


def test_archives_that_wait_for_their_import_count_for_the_quota(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """They lie in the store as they came, so that many at once would fill a disk before the first one is refused."""
    monkeypatch.setattr(import_threads, "run_import", lambda *_: None)  # nobody has time for them
    with desk.api.services.database.session() as session:
        session.get_one(UserRow, desk.user_id).quota_bytes = 40_000_000
    bomb = archive({f"{number}.jpg": random.Random(number).randbytes(1 << 20) for number in range(14)})
    answers = [desk.send((f"{number}.zip", bomb)) for number in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 413, 413]
    assert answers[-1].json()["code"] == "quota-bytes"
    assert sum(info.bytes for info in desk.api.services.files.find()) == 2 * len(bomb)
