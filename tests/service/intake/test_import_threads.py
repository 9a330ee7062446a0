"""Imports of different users run side by side; what is hostile ends as an error of its file."""

import datetime
import hashlib
import struct
import threading
import zipfile

import pytest

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.serve.app import create_app
from e2e3d.service.intake import import_threads, imports
from e2e3d.service.intake.import_threads import ImportThreads
from tests.command import wait_for
from tests.service.api import Api, TestClient
from tests.service.intake.conftest import Place
from tests.service.intake.test_imports import archive, picture


@pytest.fixture
def threads(place: Place) -> ImportThreads:
    return ImportThreads(lambda: place.intake, S3Options())


def test_nobody_waits_for_the_import_of_another(
    place: Place, threads: ImportThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, taken = threading.Event(), threading.Event(), []
    run = import_threads.run_import

    def stuck(intake, upload_id, s3):
        if upload_id == "stuck":
            begun.set()
            assert go_on.wait(60)
        else:
            run(intake, upload_id, s3)
        taken.append(upload_id)

    monkeypatch.setattr(import_threads, "run_import", stuck)
    threads.start("eve", "stuck")
    assert begun.wait(60)
    behind = threads.start("eve", "next")
    upload_id = place.arrived("a.jpg", picture(1))
    assert threads.start(place.user_id, upload_id).wait(60)
    assert place.upload(upload_id).state == "done"
    assert not behind.is_set()  # but one user's imports come one after another
    go_on.set()
    assert behind.wait(60)
    assert taken == [upload_id, "stuck", "next"]


def test_what_nobody_works_at_is_taken_up(place: Place, threads: ImportThreads) -> None:
    first, second = place.arrived("a.jpg", picture(1)), place.arrived("b.jpg", picture(2))
    assert threads.resume() == 2
    for upload_id in (first, second):
        threads.start(place.user_id, upload_id).wait(60)
        assert place.upload(upload_id).state == "done"
    assert threads.resume() == 0


def test_an_application_behind_serve_that_ends_begins_no_import(
    embedded_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, taken = threading.Event(), threading.Event(), []

    def slow(intake: object, upload_id: str, s3: object) -> None:
        taken.append(upload_id)
        begun.set()
        assert go_on.wait(60)

    monkeypatch.setattr(import_threads, "run_import", slow)
    imports = embedded_api.services.imports
    with TestClient(create_app(embedded_api.services, behind_serve=True)):
        first = imports.start("eve", "first")
        assert begun.wait(60)
        imports.start("eve", "second")
    go_on.set()
    assert first.wait(60)
    wait_for(lambda: not [thread for thread in threading.enumerate() if thread.name == "import eve"])
    assert taken == ["first"]


def test_an_upload_that_waits_for_its_import_has_a_time_that_can_be_true(place: Place) -> None:
    upload = place.upload(place.arrived("a.jpg", picture(1)))
    assert upload.state == "importing"
    assert upload.created_at <= upload.updated_at <= place.now()


def test_a_mistake_of_ours_ends_the_import(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it would be tried again every half minute, for ever."""
    upload_id = place.arrived("set.zip", archive({"a.jpg": picture(1)}))
    monkeypatch.setattr(imports, "list_archive", lambda *_: 1 / 0)
    imports.run_import(place.intake, upload_id, S3Options())
    upload = place.upload(upload_id)
    assert (upload.state, upload.progress.error_code) == ("failed", "import-failed")
    place.later = datetime.timedelta(hours=1)
    assert imports.waiting_imports(place.intake) == ()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_broken_members_are_errors_of_their_files(place: Place, method: int) -> None:
    data = bytearray(archive({"a.jpg": picture(1), "b.jpg": picture(2)}, method))
    for position in range(60, 2000, 7):
        data[position] ^= 0x55
    upload_id = place.arrived("set.zip", bytes(data))
    imports.run_import(place.intake, upload_id, S3Options())
    upload = place.upload(upload_id)
    assert (upload.state, upload.progress.added, upload.progress.rejected) == ("done", 1, 1)
    assert [finding.code for each in upload.progress.remarks for finding in each.findings] == ["photo-unreadable"]


def test_empty_and_foreign_members_cost_no_transaction(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {f"{number}.jpg": b"" for number in range(3000)} | {f"{number}.txt": b"x" * 99 for number in range(100)}
    upload_id = place.arrived("set.zip", archive(members | {"z.jpg": picture(1)}))
    taken = []
    take = place.intake.take
    monkeypatch.setattr(place.intake, "take", lambda *given: taken.append(given[1]) or take(*given))
    imports.run_import(place.intake, upload_id, S3Options())
    progress = place.upload(upload_id).progress
    assert (progress.added, progress.rejected, progress.ignored) == (1, 3000, 100)
    assert taken == ["z.jpg"]


def test_a_directory_that_lies(place: Place) -> None:
    """0.3 MB that unpack to 256 MB, of which the directory says 1000 bytes."""
    content = picture(1)[:500] + bytes(256_000_000)
    data = archive({"a.jpg": content}, zipfile.ZIP_DEFLATED)
    start = data.rindex(b"PK\x01\x02")
    upload_id = place.arrived("set.zip", data[: start + 24] + struct.pack("<I", 1000) + data[start + 28 :])
    imports.run_import(place.intake, upload_id, S3Options())
    progress = place.upload(upload_id).progress
    assert (progress.added, progress.rejected) == (0, 1)
    assert hashlib.sha256(content[:1000]).hexdigest() not in str(list(place.files.find()))
