"""Resumable uploads: tus 1.0 with creation, creation-with-upload, termination, checksum and expiration."""

import base64
import datetime
import hashlib
import threading
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from e2e3d.serve.app import create_app
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.intake import import_threads
from e2e3d.service.intake import upload_parts as parts
from e2e3d.storage.names import blob_name
from tests.service.uploads.conftest import Desk, archive, picture

CHUNK = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def begin(desk: Desk, name: str, length: int, content: bytes | None = None, **headers: str) -> httpx.Response:
    given = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length), "Upload-Metadata": f"filename {encoded(name)}"}
    given |= {key.replace("_", "-"): value for key, value in headers.items()}
    if content is not None:
        given |= {"Content-Type": CHUNK["Content-Type"]}
    return desk.call("POST", f"/v1/image-sets/{desk.set_id}/uploads", headers=given, content=content or b"")


def patch(desk: Desk, place: str, offset: int, content: Any, **headers: str) -> httpx.Response:
    given = CHUNK | {"Upload-Offset": str(offset)} | {key.replace("_", "-"): value for key, value in headers.items()}
    return desk.call("PATCH", place, headers=given, content=content)


def offset_of(desk: Desk, place: str) -> int:
    answer = desk.call("HEAD", place, headers={"Tus-Resumable": "1.0.0"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


def upload_id(place: str) -> str:
    return place.rsplit("/", 1)[1]


def test_a_photograph_in_pieces(desk: Desk) -> None:
    data = picture(1)
    begun = begin(desk, "day/a.jpg", len(data))
    place = begun.headers["location"]
    assert begun.status_code == 201
    assert parsedate_to_datetime(begun.headers["upload-expires"]) > datetime.datetime.now(datetime.UTC)
    for start in range(0, len(data), 9000):
        assert offset_of(desk, place) == start
        answer = patch(desk, place, start, data[start : start + 9000])
        assert (answer.status_code, answer.headers["tus-resumable"]) == (204, "1.0.0")
        assert int(answer.headers["upload-offset"]) == min(start + 9000, len(data))
    upload = desk.finished(upload_id(place))
    assert (upload["state"], upload["added"], upload["rejected"]) == ("done", 1, 0)
    photo = desk.photos()["day/a.jpg"]
    assert photo["sha256"] == hashlib.sha256(data).hexdigest()
    assert desk.stored() == {blob_name(photo["sha256"])}
    head = desk.call("HEAD", place, headers={"Tus-Resumable": "1.0.0"})
    assert head.headers["upload-length"] == head.headers["upload-offset"] == str(len(data))
    assert head.headers["upload-metadata"] == f"filename {encoded('day/a.jpg')}"
    assert patch(desk, place, len(data), b"").status_code == 409


def test_what_the_server_can_do(embedded_desk: Desk) -> None:
    answer = embedded_desk.call("OPTIONS", f"/v1/image-sets/{embedded_desk.set_id}/uploads")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    wanted = {"creation", "creation-with-upload", "termination", "checksum", "expiration"}
    assert set(answer.headers["tus-extension"].split(",")) == wanted
    assert "sha1" in answer.headers["tus-checksum-algorithm"].split(",")
    assert int(answer.headers["tus-max-size"]) == 10_000_000_000


def test_creation_with_upload_and_what_is_wrong_with_it(desk: Desk) -> None:
    data = picture(1)
    begun = begin(desk, "a.jpg", len(data), content=data[:5000])
    assert (begun.status_code, begun.headers["upload-offset"]) == (201, "5000")
    assert patch(desk, begun.headers["location"], 5000, data[5000:]).status_code == 204
    text = begin(desk, "b.jpg", 5, content=b"hello")
    upload = desk.finished(upload_id(text.headers["location"]))
    assert upload["rejected"] == 1
    assert [finding["code"] for finding in upload["remarks"][0]["findings"]] == ["photo-unreadable"]


def test_a_wrong_offset_is_refused_and_the_upload_goes_on(desk: Desk) -> None:
    data = picture(1)
    place = begin(desk, "a.jpg", len(data)).headers["location"]
    patch(desk, place, 0, data[:5000])
    for wrong in (0, 4999, 5001, len(data)):
        answer = patch(desk, place, wrong, b"x" * 10)
        assert (answer.status_code, answer.json()["code"]) == (409, "upload-offset")
    assert offset_of(desk, place) == 5000
    assert patch(desk, place, 5000, data[5000:]).status_code == 204
    assert desk.finished(upload_id(place))["added"] == 1
    assert desk.photos()["a.jpg"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_of_two_at_one_offset_one_wins(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have sent their bytes before either is written down."""
    data = picture(1)
    place = begin(desk, "a.jpg", len(data)).headers["location"]
    together = threading.Barrier(2, timeout=120)
    flush = parts.PartWriter.flush

    def flush_together(writer: parts.PartWriter) -> Any:
        part = flush(writer)
        if part is not None:
            together.wait()
        return part

    monkeypatch.setattr(parts.PartWriter, "flush", flush_together)
    answers: list[httpx.Response] = []
    senders = [threading.Thread(target=lambda: answers.append(patch(desk, place, 0, data[:6000]))) for _ in range(2)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    monkeypatch.undo()
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert len([name for name in desk.stored() if name.startswith("uploads/")]) == 1
    assert patch(desk, place, 6000, data[6000:]).status_code == 204
    assert desk.finished(upload_id(place))["added"] == 1
    assert desk.photos()["a.jpg"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_another_replica_goes_on(desk: Desk) -> None:
    data = archive({f"{seed}.jpg": picture(seed) for seed in range(3)})
    place = begin(desk, "set.zip", len(data), content=data[:20_000]).headers["location"]
    other = create_app(desk.api.services)
    headers = desk.headers | CHUNK | {"Upload-Offset": "20000"}
    with type(desk.api.client)(other) as client:
        assert client.patch(place, headers=headers, content=data[20_000:]).status_code == 204
    assert desk.finished(upload_id(place))["added"] == 3
    assert set(desk.photos()) == {"0.jpg", "1.jpg", "2.jpg"}


def test_an_import_whose_replica_died_is_taken_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    data = archive({f"{seed}.jpg": picture(seed) for seed in range(2)})
    monkeypatch.setattr(import_threads, "run_import", lambda *_: None)  # it dies before it does anything
    place = begin(desk, "set.zip", len(data), content=data).headers["location"]
    assert desk.upload(upload_id(place))["state"] == "importing"
    monkeypatch.undo()
    assert desk.finished(upload_id(place))["added"] == 2


def test_checksums(desk: Desk) -> None:
    data = picture(1)
    place = begin(desk, "a.jpg", len(data)).headers["location"]
    good = f"sha1 {encoded(hashlib.sha1(data[:7000]).digest())}"
    wrong = patch(desk, place, 0, data[:6999] + b"?", Upload_Checksum=good)
    assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum")
    assert offset_of(desk, place) == 0
    assert desk.stored() == set()
    assert patch(desk, place, 0, data[:7000], Upload_Checksum=good).status_code == 204
    for header, code in (
        ("crc32 AAAA", "checksum-algorithm"),
        ("sha1 ???", "checksum-form"),
        ("", "checksum-algorithm"),
    ):
        answer = patch(desk, place, 7000, data[7000:], Upload_Checksum=header)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    rest = f"sha256 {encoded(hashlib.sha256(data[7000:]).digest())}"
    assert patch(desk, place, 7000, data[7000:], Upload_Checksum=rest).status_code == 204
    assert desk.finished(upload_id(place))["added"] == 1


def test_more_bytes_than_announced(desk: Desk) -> None:
    place = begin(desk, "a.jpg", 10).headers["location"]
    answer = patch(desk, place, 0, b"x" * 11)
    assert (answer.status_code, answer.json()["code"]) == (413, "upload-too-long")
    assert offset_of(desk, place) == 0


def test_given_up(desk: Desk) -> None:
    place = begin(desk, "a.jpg", 100, content=b"x" * 50).headers["location"]
    assert len(desk.stored()) == 1
    assert desk.call("DELETE", place, headers={"Tus-Resumable": "1.0.0"}).status_code == 204
    assert desk.stored() == set()
    assert desk.call("HEAD", place, headers={"Tus-Resumable": "1.0.0"}).status_code == 404
    assert patch(desk, place, 50, b"x").status_code == 404


def test_expired(embedded_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = embedded_desk
    place = begin(desk, "a.jpg", 100).headers["location"]
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=8)
    monkeypatch.setattr("e2e3d.service.uploads.tus_routes.now", lambda: later)
    answer = patch(desk, place, 0, b"x")
    assert (answer.status_code, answer.json()["code"]) == (410, "upload-expired")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Tus-Resumable": ""}, 412, "tus-version"),
        ({"Tus-Resumable": "0.2.2"}, 412, "tus-version"),
        ({"Upload-Length": "-1"}, 422, "invalid-request"),
        ({"Upload-Length": "many"}, 422, "invalid-request"),
        ({"Upload-Length": "999999999999999"}, 413, "file-too-large"),
        ({"Upload-Metadata": ""}, 422, "unsafe-name"),
        ({"Upload-Metadata": f"filename {encoded('../up.jpg')}"}, 422, "unsafe-name"),
        ({"Upload-Metadata": "filename ???"}, 400, "metadata-form"),
        ({"Upload-Metadata": "filename /w=="}, 400, "metadata-form"),
        ({"Upload-Metadata": f"filename {encoded('x' * 7000)}"}, 400, "metadata-form"),
    ],
)
def test_beginnings_that_are_refused(embedded_desk: Desk, headers: dict[str, str], status: int, code: str) -> None:
    given = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": f"filename {encoded('a.jpg')}"}
    path = f"/v1/image-sets/{embedded_desk.set_id}/uploads"
    answer = embedded_desk.call("POST", path, headers=given | headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if status == 412:
        assert answer.headers["tus-version"] == "1.0.0"


def test_other_bodies_are_refused(embedded_desk: Desk) -> None:
    place = begin(embedded_desk, "a.jpg", 100).headers["location"]
    answer = patch(embedded_desk, place, 0, b"x", Content_Type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (415, "chunk-type")


def test_what_does_not_fit_is_refused_before_it_is_sent(embedded_desk: Desk) -> None:
    desk = embedded_desk
    with desk.api.services.database.session() as session:
        session.get_one(UserRow, desk.user_id).quota_bytes = 1000
    assert begin(desk, "a.jpg", 600).status_code == 201
    answer = begin(desk, "b.jpg", 600)  # the first is still on its way
    assert (answer.status_code, answer.json()["code"]) == (413, "quota-bytes")


def test_the_set_is_deleted_in_the_middle(desk: Desk) -> None:
    data = picture(1)
    place = begin(desk, "a.jpg", len(data), content=data[:100]).headers["location"]
    desk.call("DELETE", f"/v1/image-sets/{desk.set_id}")
    assert patch(desk, place, 100, data[100:]).status_code in (409, 410)
    assert desk.upload(upload_id(place))["state"] == "failed"


def test_an_upload_may_not_come_in_any_number_of_pieces(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is an object in the store, and an entry in a row that is written again with every one."""
    monkeypatch.setattr("e2e3d.service.uploads.queries.MAX_PIECES", 3)
    place = begin(desk, "a.jpg", 100).headers["location"]
    answers = [patch(desk, place, offset, b"x") for offset in range(4)]
    assert [answer.status_code for answer in answers] == [204, 204, 204, 413]
    assert answers[-1].json()["code"] == "upload-pieces"
    assert len(desk.stored()) == 3
    assert patch(desk, place, 3, b"x").status_code == 413
    assert len(desk.stored()) == 3


def test_a_user_may_begin_so_many_uploads(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2e3d.service.uploads.queries.MAX_UNFINISHED", 2)
    first, second, third = (begin(desk, "a.jpg", 100) for _ in range(3))
    assert [answer.status_code for answer in (first, second, third)] == [201, 201, 409]
    assert third.json()["code"] == "too-many-uploads"
    assert desk.call("DELETE", first.headers["location"], headers={"Tus-Resumable": "1.0.0"}).status_code == 204
    assert begin(desk, "a.jpg", 100).status_code == 201
