"""Bytes that the store has lost: uploads write them again, and the comparison of database and store finds them."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.database import Database, upgrade
from e2e3d.service.intake.imports import run_import
from e2e3d.service.intake.intake import ImportTarget
from e2e3d.service.intake.lost_photographs import lost_photographs, photographs_gone
from e2e3d.service.verification.records import LostFile
from e2e3d.service.verification.verify import Verified, lines, verify
from e2e3d.storage.names import blob_name
from e2e3d.storage.opening import open_objects
from tests.servers import BUCKET
from tests.service.intake.conftest import Place
from tests.service.retention.test_retention import job, picture, result, uses


@dataclass
class Sent:
    """A photograph of an image set."""

    data: bytes
    sha256: str
    email: str


@pytest.fixture
def sent(place: Place) -> Sent:
    data = picture(1)
    arrival = place.send("a.jpg", data)
    with place.database.reading() as session:
        email = session.get_one(UserRow, place.user_id).email
    return Sent(data, arrival.photo.facts.sha256, email)


def lose(place: Place, sha256: str) -> None:
    place.files.delete(blob_name(sha256))


def cut(place: Place, sha256: str) -> None:
    place.files.write(blob_name(sha256), [b"short"])


def change(place: Place, sha256: str) -> None:
    """Other bytes of the same length, as a failing disk leaves them; only a deep look notices."""
    name = blob_name(sha256)
    data = b"".join(place.files.read(name))
    place.files.write(name, [data[:100] + bytes([data[100] ^ 1]) + data[101:]])
    compare(place, deep=True)


HARM = [lose, cut, change]


def stored(place: Place, sha256: str) -> bytes:
    return b"".join(place.files.read(blob_name(sha256)))


def compare(place: Place, deep: bool = False) -> Verified:
    place.later += datetime.timedelta(seconds=1)
    return verify(place.database, place.files, deep, place.now)


@pytest.mark.parametrize("harm", HARM)
def test_the_same_upload_again_writes_lost_bytes(place: Place, sent: Sent, harm) -> None:
    harm(place, sent.sha256)
    assert place.known("a.jpg", sent.sha256) is None  # so clients send them
    again = place.send("a.jpg", sent.data)
    assert (again.outcome, [finding.code for finding in again.findings]) == ("known", ["restored"])
    assert stored(place, sent.sha256) == sent.data
    assert place.known("a.jpg", sent.sha256).findings == ()
    assert place.send("a.jpg", sent.data).findings == ()
    assert (place.stored_bytes(), len(place.listed())) == (len(sent.data), 1)
    assert compare(place, deep=True).lost == []


@pytest.mark.parametrize("harm", HARM)
def test_an_upload_bit_by_bit_writes_lost_bytes(place: Place, sent: Sent, harm) -> None:
    harm(place, sent.sha256)
    upload_id = place.arrived("a.jpg", sent.data)
    run_import(place.intake, upload_id, S3Options())
    progress = place.upload(upload_id).progress
    assert (progress.known, [one.findings[0].code for one in progress.remarks]) == (1, ["restored"])
    assert stored(place, sent.sha256) == sent.data


@pytest.mark.parametrize("harm", HARM)
def test_another_user_or_another_set_heals_them_too(place: Place, sent: Sent, harm) -> None:
    for user_id in (place.user(), place.user_id):
        harm(place, sent.sha256)
        target = ImportTarget(user_id, place.image_set(user_id))
        assert place.known("a.jpg", sent.sha256, target) is None
        assert place.send("a.jpg", sent.data, target).outcome == "added"
        assert stored(place, sent.sha256) == sent.data
        assert compare(place, deep=True).lost == []


@pytest.mark.parametrize("harm", HARM)
def test_jobs_learn_which_photographs_are_lost(place: Place, sent: Sent, harm) -> None:
    other = place.send("b.jpg", picture(2)).photo.facts.sha256
    photographs = [("a.jpg", sent.sha256), ("b.jpg", other)]
    assert lost_photographs(place.database, place.files, photographs, place.now()) == ()
    harm(place, sent.sha256)
    assert lost_photographs(place.database, place.files, photographs, place.now()) == ("a.jpg",)


def test_of_many_lost_photographs_ten_are_named() -> None:
    error = photographs_gone([f"{number}.jpg" for number in range(12)], 20)
    assert error.code == "photographs-gone"
    assert "12 of 20 photographs: 0.jpg, 1.jpg" in error.message
    assert error.message.endswith("9.jpg and 2 more.")


@pytest.mark.parametrize(
    ("harm", "problem", "deep"),
    [(lose, "missing", False), (cut, "5 bytes instead of {bytes}", False), (change, "damaged", True)],
)
def test_lost_photographs_are_listed_by_set_and_job(place: Place, sent: Sent, harm, problem: str, deep: bool) -> None:
    job_id = job(place, "failed")
    uses(place, job_id, sha256=sent.sha256)
    uses(place, job(place, "failed", deleted=True), sha256=sent.sha256)  # nobody can run it again
    assert compare(place, deep).lost == []
    harm(place, sent.sha256)
    problem = problem.format(bytes=len(sent.data))
    found = compare(place, deep)
    assert (found.blobs, set(found.lost)) == (
        1,
        {
            LostFile("photograph", place.set_id, sent.email, "a.jpg", sent.sha256, problem),
            LostFile("job-input", job_id, sent.email, "a.jpg", sent.sha256, problem),
        },
    )
    assert all(sent.email in line and problem in line for line in lines(found.lost))


@pytest.mark.parametrize("deep", [False, True])
def test_lost_results_are_listed(place: Place, sent: Sent, deep: bool) -> None:
    job_id = job(place)
    lost, cut_short, changed, _ = (result(place, job_id, name) for name in ("a.ply", "b.ply", "c.ply", "d.ply"))
    gone = result(place, job(place, deleted=True))
    for name in (lost, gone):
        place.files.delete(name)
    place.files.write(cut_short, [b"1234"])
    place.files.write(changed, [b"12346"])
    found = compare(place, deep)
    expected = {"a.ply": "missing", "b.ply": "4 bytes instead of 5"} | ({"c.ply": "damaged"} if deep else {})
    assert {one.name: one.problem for one in found.lost} == expected
    assert {(one.kind, one.holder_id, one.owner) for one in found.lost} == {("result", job_id, sent.email)}
    assert found.results == 4


def test_photographs_that_the_table_of_bytes_does_not_have_are_lost(place: Place, sent: Sent) -> None:
    job_id = job(place, "queued")
    uses(place, job_id, sha256="e" * 64)
    assert [(one.kind, one.holder_id, one.problem) for one in compare(place).lost] == [("job-input", job_id, "missing")]


def test_what_is_written_while_it_is_looked_for_is_not_lost(place: Place, sent: Sent) -> None:
    lose(place, sent.sha256)
    started = place.now()
    place.later += datetime.timedelta(seconds=1)
    place.send("a.jpg", sent.data)
    verify(place.database, place.files, False, lambda: started)
    assert place.known("a.jpg", sent.sha256).outcome == "known"


@pytest.fixture
def place_on_s3(s3: S3Options, tmp_path: Path) -> Iterator[Place]:
    database = Database(f"sqlite:///{tmp_path / 'db.sqlite'}")
    upgrade(database)
    yield Place(database, open_objects(f"s3://{BUCKET}/{tmp_path.name}", s3))
    database.close()


@pytest.mark.slow
def test_the_same_with_a_real_s3_server(place_on_s3: Place) -> None:
    place = place_on_s3
    data = [picture(seed) for seed in range(3)]
    hashes = [place.send(f"{seed}.jpg", data[seed]).photo.facts.sha256 for seed in range(3)]
    job_id = job(place)
    key = result(place, job_id)
    assert compare(place, deep=True).lost == []
    for harm, sha256 in zip(HARM, hashes, strict=True):
        harm(place, sha256)
    place.files.delete(key)
    found = {one.name: one.problem for one in compare(place, deep=True).lost}
    assert found == {
        "0.jpg": "missing",
        "1.jpg": f"5 bytes instead of {len(data[1])}",
        "2.jpg": "damaged",
        "model.glb": "missing",
    }
    photographs = [(f"{seed}.jpg", sha256) for seed, sha256 in enumerate(hashes)]
    assert lost_photographs(place.database, place.files, photographs, place.now()) == ("0.jpg", "1.jpg", "2.jpg")
    for seed in range(3):
        assert place.known(f"{seed}.jpg", hashes[seed]) is None
        assert place.send(f"{seed}.jpg", data[seed]).outcome == "known"
    assert [one.kind for one in compare(place, deep=True).lost] == ["result"]
