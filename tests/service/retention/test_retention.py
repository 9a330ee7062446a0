"""The collector, with real databases, beside uploads and jobs that run at the same time."""

import hashlib
import threading
import time
import uuid

import numpy as np
import pytest

from e2e3d.data.stats import UnitStats
from e2e3d.service.accounts import quotas as usage
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.image_sets import blob_queries as blobs
from e2e3d.service.image_sets import queries as image_sets
from e2e3d.service.jobs.tables import JobArtifactRow, JobInputRow, JobRow
from e2e3d.service.results.tables import ResultRow
from e2e3d.service.retention.retention import Collected, RetentionPolicy, collect
from e2e3d.service.uploads import queries as uploads
from e2e3d.storage.names import blob_name, object_name
from e2e3d.storage.store import ArtifactStore
from tests.pictures import encode, textured
from tests.pipeline.toy_stages import Numbers
from tests.service.intake.conftest import DAY, Place

NOTHING = Collected()


def picture(seed: int) -> bytes:
    return encode(textured(360, 480, seed))


def run(place: Place, days: float = 8) -> Collected:
    return collect(place.database, place.files, RetentionPolicy(), place.now() + days * DAY)


def empty_set(place: Place) -> None:
    with place.database.session() as session:
        image_sets.delete(session, place.user_id, place.set_id, place.now())


def job(place: Place, state: str = "succeeded", expires_in: float | None = 30, deleted: bool = False) -> str:
    now = place.now()
    row = JobRow(
        user_id=place.user_id,
        state=state,
        quality="draft",
        expires_at=None if expires_in is None else now + expires_in * DAY,
        deleted_at=now if deleted else None,
    )
    with place.database.session() as session:
        session.add(row)
        session.flush()
        return row.id


def uses(place: Place, job_id: str, sha256: str = "", key: str = "") -> None:
    with place.database.session() as session:
        if sha256:
            session.add(JobInputRow(job_id=job_id, position=0, name="a.jpg", sha256=sha256))
        if key:
            session.add(JobArtifactRow(job_id=job_id, key=key))


def result(place: Place, job_id: str, path: str = "model.glb") -> str:
    key = f"results/{job_id}/{path}"
    written = place.files.write(key, [b"12345"])
    with place.database.session() as session:
        kept = {"media_type": "model/gltf-binary", "bytes": 5, "sha256": written.sha256, "key": key}
        session.add(ResultRow(job_id=job_id, path=path, **kept))
        session.get_one(JobRow, job_id).result_bytes += 5
        usage.record(session, place.user_id, 5)
    return key


def test_photographs_go_when_nobody_needs_them(place: Place) -> None:
    sha256 = place.send("a.jpg", picture(1)).photo.facts.sha256
    assert run(place) == NOTHING  # the set has it
    empty_set(place)
    assert run(place, days=6) == NOTHING  # not long enough
    done = run(place)
    assert (done.blobs, done.freed_bytes) == (1, len(picture(1)))
    assert place.files.size(blob_name(sha256)) is None
    assert run(place) == NOTHING


@pytest.mark.parametrize(
    ("state", "expires_in", "deleted", "kept"),
    [
        ("queued", None, False, True),
        ("running", None, False, True),
        ("succeeded", 30, False, True),  # it may be run again with other settings
        ("failed", None, False, True),
        ("cancelled", 5, False, False),
        ("succeeded", 30, True, False),
    ],
)
def test_photographs_and_artifacts_of_jobs(
    place: Place, tmp_path, state: str, expires_in: float | None, deleted: bool, kept: bool
) -> None:
    sha256 = place.send("a.jpg", picture(1)).photo.facts.sha256
    empty_set(place)
    key = f"depth/{hashlib.sha256(b'1').hexdigest()}"
    ArtifactStore(str(tmp_path / "store")).put(key, Numbers(np.zeros(3)), UnitStats(1.0, 1.0, 1, "host"))
    uses(place, job(place, state, expires_in, deleted), sha256, key)
    done = run(place)
    assert (done.blobs, done.artifacts) == ((0, 0) if kept else (1, 1))
    assert (place.files.size(blob_name(sha256)) is not None) == kept
    assert (place.files.size(object_name(key)) is not None) == kept


def test_artifacts_that_several_jobs_use_stay_for_the_last(place: Place) -> None:
    key = f"mesh/{hashlib.sha256(b'2').hexdigest()}"
    place.files.write(object_name(key), [b"mesh"])
    old, current = job(place, expires_in=1), job(place)
    uses(place, old, key=key)
    uses(place, current, key=key)
    assert run(place) == NOTHING
    with place.database.session() as session:
        session.get_one(JobRow, current).deleted_at = place.now()
    assert run(place).artifacts == 1


def test_artifacts_of_no_job_go_late_and_other_files_never(place: Place) -> None:
    key = f"mesh/{hashlib.sha256(b'3').hexdigest()}"
    names = [object_name(key), "mesh/aa/notes.txt", "backup.tar", f"mesh/00/{'1' * 64}.safetensors"]
    for name in names:
        place.files.write(name, [b"1"])
    assert run(place, days=6) == NOTHING
    assert run(place).artifacts == 1
    assert {info.name for info in place.files.find()} == set(names[1:])


def test_blobs_that_the_engine_made_follow_the_same_rule(place: Place, tmp_path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    used, unused = store.put_blob(b"mask of a job"), store.put_blob(b"mask of nobody")
    uses(place, job(place), key=f"blob/{used}")
    assert run(place, days=6) == NOTHING
    assert run(place).blobs == 1
    assert store.get_blob(used) == b"mask of a job"
    assert place.files.size(blob_name(unused)) is None


def test_results_go_with_their_time(place: Place) -> None:
    expired, kept, deleted = job(place, expires_in=5), job(place), job(place, deleted=True)
    running = job(place, "running", expires_in=None)
    keys = {job_id: result(place, job_id) for job_id in (expired, kept, deleted, running)}
    unrecorded = f"results/{running}/half.glb"
    place.files.write(unrecorded, [b"1"])
    assert place.stored_bytes() == 20
    done = run(place)
    assert (done.results_of_jobs, done.freed_bytes) == (2, 10)
    assert {info.name for info in place.files.find()} == {keys[kept], keys[running], unrecorded}
    assert place.stored_bytes() == 10
    with place.database.session() as session:
        assert session.get_one(JobRow, expired).result_bytes == 0
        session.get_one(JobRow, running).state = "failed"
    assert run(place).leftovers == 1  # what it had not written down
    assert {info.name for info in place.files.find()} == {keys[kept], keys[running]}


def test_what_deleted_users_left_goes(place: Place) -> None:
    result(place, job(place))
    place.send("a.jpg", picture(1))
    with place.database.session() as session:
        session.delete(session.get_one(UserRow, place.user_id))
    done = run(place)
    assert (done.leftovers, done.blobs) == (1, 1)
    assert list(place.files.find()) == []


def test_uploads_that_were_given_up(place: Place) -> None:
    upload_id = place.arrived("a.jpg", picture(1))
    stray = f"uploads/{uuid.uuid4()}/0"
    place.files.write(stray, [b"1"])
    assert run(place, days=0) == NOTHING
    assert run(place, days=0.9) == Collected(leftovers=1, freed_bytes=1)  # of an upload that is not there
    assert run(place, days=2).uploads == 1
    assert list(place.files.find()) == []
    with place.database.reading() as session:
        assert uploads.find(session, place.user_id, upload_id) is None


def test_bytes_that_come_again_while_they_are_removed_are_there_afterwards(place: Place) -> None:
    """The one dangerous moment: the collector has decided, and the bytes still lie in the store."""
    data = picture(1)
    sha256 = place.send("a.jpg", data).photo.facts.sha256
    empty_set(place)
    other = place.image_set()
    place.set_id = other
    sender = threading.Thread(target=lambda: place.send("a.jpg", data))

    def remove() -> None:
        sender.start()
        time.sleep(0.5)  # it would find the bytes and skip writing them, if it did not wait for the row
        place.files.delete(blob_name(sha256))

    later = place.now() + 8 * DAY
    with place.database.session() as session:
        assert blobs.remove_unused(session, sha256, later - DAY, later, remove) == len(data)
    sender.join()
    assert place.listed()["a.jpg"].facts.sha256 == sha256
    assert b"".join(place.files.read(blob_name(sha256))) == data


def test_bytes_that_were_just_used_are_not_taken(place: Place) -> None:
    sha256 = place.send("a.jpg", picture(1)).photo.facts.sha256
    empty_set(place)
    later = place.now() + 8 * DAY
    with place.database.session() as session:
        assert set(blobs.touch(session, [sha256, "0" * 64], later)) == {sha256}
    with place.database.session() as session:
        assert blobs.remove_unused(session, sha256, later, later + DAY, pytest.fail) is None
