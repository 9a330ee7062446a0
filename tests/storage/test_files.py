"""The contract of the store's files, over a local folder and over S3."""

from __future__ import annotations

import datetime
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import InputError, MachineError, SettingsError
from e2e3d.storage.files import ContentDisposition, Files, blob_name, open_files
from e2e3d.storage.s3_files import PART_BYTES, S3Files
from e2e3d.storage.store import ArtifactStore
from tests.servers import BUCKET

LATER = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "local" else f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def options(request: pytest.FixtureRequest, url: str) -> S3Options:
    return request.getfixturevalue("s3") if url.startswith("s3://") else S3Options()


@pytest.fixture
def files(url: str, options: S3Options) -> Files:
    return open_files(url, options)


@pytest.fixture
def s3_files(s3: S3Options) -> S3Files:
    found = open_files(f"s3://{BUCKET}/{uuid.uuid4().hex}", s3)
    assert isinstance(found, S3Files)
    return found


def chunks_of(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def content(files: Files, name: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(files.read(name, start, end))


@pytest.mark.parametrize("length", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 5])
def test_what_is_written_is_read(files: Files, length: int) -> None:
    data = os.urandom(length)
    written = files.write("results/a/model.glb", chunks_of(data, 300_000))
    assert (written.bytes, written.sha256) == (length, hashlib.sha256(data).hexdigest())
    assert files.size("results/a/model.glb") == length
    assert content(files, "results/a/model.glb") == data


def test_ranges(files: Files) -> None:
    data = os.urandom(5_000_000)
    files.write("a/b", [data])
    for start, end in [(0, 1), (0, None), (4_999_999, None), (1_048_575, 3_145_729), (10, 10), (4_000_000, 9_000_000)]:
        assert content(files, "a/b", start, end) == data[start:end], (start, end)


def test_a_failing_writer_leaves_nothing_and_spares_what_was_there(files: Files) -> None:
    def broken() -> Iterator[bytes]:
        yield os.urandom(PART_BYTES + 10)
        raise ConnectionResetError("the client went away")

    files.write("a/old", [b"old"])
    for name in ("a/new", "a/old"):
        with pytest.raises((ConnectionResetError, MachineError)):
            files.write(name, broken())
    assert files.size("a/new") is None
    assert content(files, "a/old") == b"old"
    assert [info.name for info in files.find("a")] == ["a/old"]
    assert files.sweep(LATER) == 0


def test_finding_and_deleting(files: Files) -> None:
    for name in ("uploads/1/0", "uploads/1/sub/1", "uploads/2/0", "uploads/10/0"):
        files.write(name, [b"12345"])
    found = {info.name: info for info in files.find("uploads/1")}
    assert set(found) == {"uploads/1/0", "uploads/1/sub/1"}
    assert {info.bytes for info in found.values()} == {5}
    age = datetime.datetime.now(datetime.UTC) - found["uploads/1/0"].modified_at
    assert abs(age) < datetime.timedelta(minutes=2)
    files.delete("uploads/1/0")
    files.delete("uploads/1/0")
    files.delete_folder("uploads/1")
    files.delete_folder("uploads/1")
    assert {info.name for info in files.find("uploads")} == {"uploads/2/0", "uploads/10/0"}


def test_missing_files(files: Files) -> None:
    assert files.size("no/such") is None
    with pytest.raises(FileNotFoundError):
        files.read("no/such")
    assert list(files.find("no")) == []


@pytest.mark.parametrize("name", ["../up", "a/../../up", "/etc/passwd", "a//b", "", "a/.", "a\0b"])
def test_names_stay_inside_the_store(files: Files, name: str) -> None:
    for act in (files.size, files.read, files.delete, files.delete_folder, lambda name: files.write(name, [b""])):
        with pytest.raises(InputError) as caught:
            act(name)
        assert caught.value.code == "unsafe-name"


def test_a_photograph_is_the_blob_of_the_engine(files: Files, url: str, options: S3Options) -> None:
    data = os.urandom(1000)
    sha256 = hashlib.sha256(data).hexdigest()
    files.write(blob_name(sha256), [data])
    assert ArtifactStore(url, options).get_blob(sha256) == data


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    files = open_files(str(tmp_path))
    left = tmp_path / "uploads" / "incoming" / ".tmp.another-host.1.abcd"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert list(files.find("uploads")) == []
    assert files.sweep(datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)) == 0
    assert files.sweep(LATER) == 1
    assert not left.exists()


def test_stores_that_cannot_keep_files() -> None:
    with pytest.raises(SettingsError) as caught:
        open_files("memory://somewhere")
    assert caught.value.code == "store-unknown"


def test_downloads_have_a_harmless_name() -> None:
    header = ContentDisposition('modèle "1"\r\nX: y.glb', "model/gltf-binary").header
    assert "\r" not in header
    assert "\n" not in header
    assert header.startswith('attachment; filename="mod_le _1___X_ y.glb"; ')
    assert header.endswith("filename*=UTF-8''mod%C3%A8le%20%221%22%0D%0AX%3A%20y.glb")


@pytest.mark.slow
def test_presigned_downloads(s3_files: S3Files) -> None:
    s3_files.write("results/1/model.glb", [b"0123456789"])
    link = s3_files.presigner.get("results/1/model.glb", 60, ContentDisposition("mein Modell.glb", "model/gltf-binary"))
    answer = httpx.get(link, headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.content) == (206, b"234")
    assert answer.headers["content-type"] == "model/gltf-binary"
    assert "mein%20Modell.glb" in answer.headers["content-disposition"]
    assert httpx.get(link.replace("/results/1/", "/results/2/")).status_code == 403
    expired = s3_files.presigner.get("results/1/model.glb", 1, ContentDisposition("a", "text/plain"))
    time.sleep(2.1)
    assert httpx.get(expired).status_code == 403


@pytest.mark.slow
def test_presigned_parts(s3_files: S3Files) -> None:
    data = os.urandom(PART_BYTES + 100)
    multipart = s3_files.presigner.start("uploads/1/object")
    etags = []
    for number, part in enumerate((data[:PART_BYTES], data[PART_BYTES:]), 1):
        answer = httpx.put(s3_files.presigner.part("uploads/1/object", multipart, number, 60), content=part)
        assert answer.status_code == 200, answer.text
        etags.append(answer.headers["etag"])
    assert s3_files.size("uploads/1/object") is None
    for wrong in ([etags[0], '"0123"'], [*etags, etags[0]]):
        with pytest.raises(InputError) as caught:
            s3_files.presigner.finish("uploads/1/object", multipart, wrong)
        assert caught.value.code == "parts-wrong"
    assert s3_files.presigner.finish("uploads/1/object", multipart, etags) == len(data)
    assert content(s3_files, "uploads/1/object") == data


@pytest.mark.slow
def test_abandoned_parts_are_swept(s3_files: S3Files) -> None:
    multipart = s3_files.presigner.start("uploads/2/object")
    assert s3_files.sweep(datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)) == 0
    assert s3_files.sweep(LATER) == 1
    assert s3_files.sweep(LATER) == 0
    s3_files.presigner.abort("uploads/2/object", multipart)


@pytest.mark.slow
def test_encryption_is_asked_for(s3: S3Options) -> None:
    options = S3Options(s3.endpoint, s3.key, s3.secret, sse="AES256")
    files = open_files(f"s3://{BUCKET}/{uuid.uuid4().hex}", options)
    assert isinstance(files, S3Files)
    files.write("small", [b"1"])
    files.write("large", [bytes(PART_BYTES), b"1"])
    for name in ("small", "large"):
        assert files.call("head_object", Key=files.key(name))["ServerSideEncryption"] == "AES256"
    assert content(files, "large", PART_BYTES) == b"1"


@pytest.mark.slow
def test_an_s3_that_refuses(s3: S3Options) -> None:
    refused = open_files(f"s3://{BUCKET}/x", S3Options(s3.endpoint, s3.key, "wrong"))
    with pytest.raises(MachineError) as caught:
        refused.write("a", [b"1"])
    assert caught.value.code == "store-denied"
