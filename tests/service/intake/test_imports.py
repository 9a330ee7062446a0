import datetime
import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.config.frames import FramesConfig
from e2e3d.errors import InputError, MachineError
from e2e3d.service.intake.imports import allowed_prefix, run_import, waiting_imports
from e2e3d.service.intake.upload_parts import opened
from e2e3d.stages.frames import frames_of_file
from tests.ops.photos.test_video import pan, write_video
from tests.pictures import encode, textured
from tests.service.intake.conftest import Place


def picture(seed: int) -> bytes:
    return encode(textured(360, 480, seed))


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return stream.getvalue()


def test_an_archive_is_taken_in(place: Place) -> None:
    members = {f"day/{seed}.jpg": picture(seed) for seed in range(5)}
    odd = {"readme.txt": b"hello", "__MACOSX/day/._1.jpg": b"x", "broken.jpg": b"junk"}
    upload_id = place.arrived("set.zip", archive(members | odd | {"twin.jpg": picture(0)}))
    run_import(place.intake, upload_id, S3Options())
    upload = place.upload(upload_id)
    progress = upload.progress
    assert (upload.state, progress.position, progress.total) == ("done", 8, 8)
    assert (progress.added, progress.known, progress.ignored, progress.rejected) == (5, 1, 1, 1)
    assert {each.name: [f.code for f in each.findings] for each in progress.remarks} == {
        "broken.jpg": ["photo-unreadable"],
        "readme.txt": ["not-a-photograph"],
        "twin.jpg": ["duplicate"],
    }
    assert set(place.listed()) == set(members)
    assert all(info.name.startswith("blob/") for info in place.files.find())


def test_one_photograph_is_taken_in(place: Place) -> None:
    upload_id = place.arrived("a.jpg", picture(1), piece=7000)
    run_import(place.intake, upload_id, S3Options())
    assert place.upload(upload_id).progress.added == 1
    assert place.listed()["a.jpg"].facts.bytes == len(picture(1))


def video(tmp_path: Path, offsets: range, name: str = "walk.mp4") -> bytes:
    return write_video(tmp_path / name, pan(offsets)).read_bytes()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
def test_a_video_becomes_the_frames_that_a_run_takes(place: Place, tmp_path: Path, suffix: str) -> None:
    data = video(tmp_path, range(0, 480, 8), f"walk{suffix}")
    upload_id = place.arrived(f"day 1/walk{suffix}", data, piece=70_000)
    run_import(place.intake, upload_id, S3Options())
    upload = place.upload(upload_id)
    wanted = frames_of_file(tmp_path / f"walk{suffix}", f"walk{suffix}", FramesConfig())
    assert (upload.state, upload.progress.total) == ("done", len(wanted.names))
    assert len(wanted.names) >= 15
    pieces = zip(wanted.names, wanted.offsets[:-1], wanted.offsets[1:], strict=True)
    hashes = {f"day 1/{name}": hashlib.sha256(wanted.data[start:end]).hexdigest() for name, start, end in pieces}
    assert {name: photo.facts.sha256 for name, photo in place.listed().items()} == hashes
    assert all(info.name.startswith("blob/") for info in place.files.find())


def test_videos_without_frames_are_named(place: Place, tmp_path: Path) -> None:
    still, cut = video(tmp_path, range(1)), video(tmp_path, range(0, 480, 8))[:500]
    for name, data, code in (("still.mp4", still, "video-still"), ("cut.mp4", cut, "video-unreadable")):
        upload_id = place.arrived(name, data)
        run_import(place.intake, upload_id, S3Options())
        upload = place.upload(upload_id)
        assert (upload.state, upload.progress.error_code) == ("failed", code)
    assert place.listed() == {}
    assert list(place.files.find()) == []


def test_a_decoder_that_crashes_costs_only_its_video(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("e2e3d.service.intake.video_frames.sys.executable", "/bin/false")
    upload_id = place.arrived("walk.mp4", video(tmp_path, range(0, 80, 8)))
    run_import(place.intake, upload_id, S3Options())
    assert place.upload(upload_id).progress.error_code == "video-unreadable"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (archive({"a.jpg": bytes(60_000_000)}, zipfile.ZIP_DEFLATED), "zip-too-large"),
        (archive({"ok.jpg": b"1", "../up.jpg": b"2"}), "zip-unsafe-name"),
        (archive({"a.jpg": b"1"})[:-8], "zip-broken"),
        (b"PK\x03\x04 no archive", "zip-broken"),
    ],
)
def test_archives_that_cannot_be_trusted(place: Place, data: bytes, code: str) -> None:
    upload_id = place.arrived("set.zip", data)
    run_import(place.intake, upload_id, S3Options())
    upload = place.upload(upload_id)
    assert (upload.state, upload.progress.error_code, upload.progress.position) == ("failed", code, 0)
    assert list(place.files.find()) == []


def test_another_process_goes_on_where_one_died(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = place.arrived("set.zip", archive({f"{seed:02}.jpg": picture(seed) for seed in range(30)}))
    taken: list[str] = []
    take = place.intake.take

    def dies_at_25(target, name, sha256, read):
        if len(taken) == 25:
            raise MachineError("store-unreachable", "gone")
        taken.append(name)
        return take(target, name, sha256, read)

    monkeypatch.setattr(place.intake, "take", dies_at_25)
    with pytest.raises(MachineError):
        run_import(place.intake, upload_id, S3Options())
    assert place.upload(upload_id).state == "importing"
    monkeypatch.setattr(place.intake, "take", take)
    assert waiting_imports(place.intake) == ()  # its process may only be slow
    place.later = datetime.timedelta(seconds=90)
    assert waiting_imports(place.intake) == ((place.user_id, upload_id),)
    run_import(place.intake, upload_id, S3Options())
    upload = place.upload(upload_id)
    assert (upload.state, upload.progress.position, upload.progress.total) == ("done", 30, 30)
    assert upload.progress.added + upload.progress.known == 30
    assert upload.progress.known <= 5  # 20 were reported at least, and are not looked at again
    assert len(place.listed()) == 30


def test_an_import_is_worked_at_by_one(place: Place) -> None:
    upload_id = place.arrived("set.zip", archive({"a.jpg": picture(1)}))
    with place.database.session() as session:
        from e2e3d.service.uploads import queries as uploads

        assert uploads.claim_import(session, upload_id, place.now()) is not None
    run_import(place.intake, upload_id, S3Options())
    assert place.upload(upload_id).state == "importing"
    assert place.listed() == {}


def test_an_upload_can_be_read_from_any_place(place: Place) -> None:
    data = bytes(range(256)) * 5000
    upload_id = place.arrived("x.zip", data, piece=100_001)
    file = opened(place.files, place.upload(upload_id))
    for start, count in [(0, 10), (99_990, 20), (100_001, 5), (1_279_990, 100), (5, 1_279_000), (2_000_000, 5)]:
        file.seek(start)
        assert file.read(count) == data[start : start + count], (start, count)
    assert file.seek(-3, io.SEEK_END) == len(data) - 3
    assert file.read() == data[-3:]


@pytest.mark.parametrize(
    "prefix", ["s3://other/a", "s3://bucket", "s3://bucket/photographs2", "s3://bucket/photos/../secret", "/etc"]
)
def test_prefixes_that_are_not_allowed(prefix: str) -> None:
    with pytest.raises(InputError) as caught:
        allowed_prefix(prefix, ["s3://bucket/photos", "s3://bucket/photographs/"])
    assert caught.value.code == "prefix-not-allowed"


def test_prefixes_that_are_allowed() -> None:
    assert allowed_prefix("s3://bucket/photos/", ["s3://bucket/photos"]) == "s3://bucket/photos"
    assert allowed_prefix("s3://bucket/photos/day1", ["s3://bucket/photos/"]) == "s3://bucket/photos/day1"
    with pytest.raises(InputError):
        allowed_prefix("s3://bucket/photos", [])
