"""The contract of a store's objects, over a local folder and over S3."""

from __future__ import annotations

import datetime
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import InputError, MachineError, SettingsError
from e2e3d.storage.names import blob_name
from e2e3d.storage.objects import ContentDisposition, ObjectStore
from e2e3d.storage.opening import open_objects
from e2e3d.storage.s3_objects import PART_BYTES, S3Objects
from e2e3d.storage.store import ArtifactStore
from tests.servers import BUCKET, WRITER

LATER = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "local" else f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def options(request: pytest.FixtureRequest, url: str) -> S3Options:
    return request.getfixturevalue("s3") if url.startswith("s3://") else S3Options()


@pytest.fixture
def objects(url: str, options: S3Options) -> ObjectStore:
    return open_objects(url, options)


@pytest.fixture
def s3_objects(s3: S3Options) -> S3Objects:
    found = open_objects(f"s3://{BUCKET}/{uuid.uuid4().hex}", s3)
    assert isinstance(found, S3Objects)
    return found


def chunks_of(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def content(objects: ObjectStore, name: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(objects.read(name, start, end))


@pytest.mark.parametrize("length", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 5])
def test_what_is_written_is_read(objects: ObjectStore, length: int) -> None:
    data = os.urandom(length)
    written = objects.write("results/a/model.glb", chunks_of(data, 300_000))
    assert (written.bytes, written.sha256) == (length, hashlib.sha256(data).hexdigest())
    assert objects.size("results/a/model.glb") == length
    assert content(objects, "results/a/model.glb") == data


def test_what_is_put_is_loaded(objects: ObjectStore) -> None:
    parts = [os.urandom(1000), b"", memoryview(os.urandom(3_000_000))]
    data = b"".join(parts)
    objects.put("depth/ab/abcd.safetensors", *parts)
    objects.put("empty")
    assert bytes(objects.load("depth/ab/abcd.safetensors")) == bytes(objects.view("depth/ab/abcd.safetensors")) == data
    assert bytes(objects.load("empty")) == bytes(objects.view("empty")) == b""
    assert objects.size("empty") == 0
    assert content(objects, "empty") == b""
    objects.put("empty", b"no more")
    assert bytes(objects.load("empty")) == b"no more"


def test_what_is_put_may_be_large(objects: ObjectStore) -> None:
    parts = [os.urandom(1000), memoryview(os.urandom(70_000_000)), b"end"]
    objects.put("large", *parts)
    assert hashlib.sha256(objects.load("large")).digest() == hashlib.sha256(b"".join(parts)).digest()


def test_heads(objects: ObjectStore) -> None:
    objects.put("a/b", b"0123456789")
    objects.put("empty")
    assert objects.head("a/b", 4) == (b"0123", 10)
    assert objects.head("a/b", 20) == (b"0123456789", 10)
    assert objects.head("empty", 4) == (b"", 0)


def test_sizes_of_many(objects: ObjectStore) -> None:
    for number in range(20):
        objects.put(f"a/{number}", bytes(number))
    names = [f"a/{number}" for number in range(25)]
    assert objects.sizes(names) == {f"a/{number}": number for number in range(20)}


def test_ranges(objects: ObjectStore) -> None:
    data = os.urandom(5_000_000)
    objects.write("a/b", [data])
    for start, end in [(0, 1), (0, None), (4_999_999, None), (1_048_575, 3_145_729), (10, 10), (4_000_000, 9_000_000)]:
        assert content(objects, "a/b", start, end) == data[start:end], (start, end)


def test_a_failing_writer_leaves_nothing_and_spares_what_was_there(objects: ObjectStore) -> None:
    def broken() -> Iterator[bytes]:
        yield os.urandom(PART_BYTES + 10)
        raise ConnectionResetError("the client went away")

    objects.write("a/old", [b"old"])
    for name in ("a/new", "a/old"):
        with pytest.raises((ConnectionResetError, MachineError)):
            objects.write(name, broken())
    assert objects.size("a/new") is None
    assert content(objects, "a/old") == b"old"
    assert [info.name for info in objects.find("a")] == ["a/old"]
    assert objects.sweep(LATER) == 0


def test_finding_and_deleting(objects: ObjectStore) -> None:
    for name in ("uploads/1/0", "uploads/1/sub/1", "uploads/2/0", "uploads/10/0"):
        objects.write(name, [b"12345"])
    found = {info.name: info for info in objects.find("uploads/1")}
    assert set(found) == {"uploads/1/0", "uploads/1/sub/1"}
    assert {info.bytes for info in found.values()} == {5}
    age = datetime.datetime.now(datetime.UTC) - found["uploads/1/0"].modified_at
    assert abs(age) < datetime.timedelta(minutes=2)
    objects.delete("uploads/1/0")
    objects.delete("uploads/1/0")
    objects.delete_folder("uploads/1")
    objects.delete_folder("uploads/1")
    assert {info.name for info in objects.find("uploads")} == {"uploads/2/0", "uploads/10/0"}


def test_missing_files(objects: ObjectStore) -> None:
    assert objects.size("no/such") is None
    for act in (objects.read, objects.load, objects.view, lambda name: objects.head(name, 10)):
        with pytest.raises(FileNotFoundError):
            act("no/such")
    assert list(objects.find("no")) == []


@pytest.mark.parametrize("name", ["../up", "a/../../up", "/etc/passwd", "a//b", "", "a/.", "a\0b"])
def test_names_stay_inside_the_store(objects: ObjectStore, name: str) -> None:
    o = objects
    asking = [o.size, o.read, o.load, o.view, lambda name: o.head(name, 1), lambda name: list(o.find(name or ".."))]
    for act in (*asking, o.delete, o.delete_folder, lambda name: o.write(name, [b""]), lambda name: o.put(name, b"")):
        with pytest.raises(InputError) as caught:
            act(name)
        assert caught.value.code == "unsafe-name"


def test_a_photograph_is_the_blob_of_the_engine(objects: ObjectStore, url: str, options: S3Options) -> None:
    data = os.urandom(1000)
    sha256 = hashlib.sha256(data).hexdigest()
    objects.write(blob_name(sha256), [data])
    assert ArtifactStore(url, options).get_blob(sha256) == data


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    objects = open_objects(str(tmp_path))
    left = tmp_path / "uploads" / "incoming" / ".tmp.another-host.1.abcd"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert list(objects.find("uploads")) == []
    assert objects.sweep(datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)) == 0
    assert objects.sweep(LATER) == 1
    assert not left.exists()


@pytest.mark.parametrize("url", ["memory://somewhere", "gs://bucket/x", "nosuchscheme://x"])
def test_stores_of_other_kinds_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"folder or s3://") as caught:
        open_objects(url)
    assert caught.value.code == "store-unknown"


def test_downloads_have_a_harmless_name() -> None:
    header = ContentDisposition('modèle "1"\r\nX: y.glb', "model/gltf-binary").header
    assert "\r" not in header
    assert "\n" not in header
    assert header.startswith('attachment; filename="mod_le _1___X_ y.glb"; ')
    assert header.endswith("filename*=UTF-8''mod%C3%A8le%20%221%22%0D%0AX%3A%20y.glb")


@pytest.mark.slow
def test_presigned_downloads(s3_objects: S3Objects) -> None:
    s3_objects.write("results/1/model.glb", [b"0123456789"])
    link = s3_objects.presigner.get(
        "results/1/model.glb", 60, ContentDisposition("mein Modell.glb", "model/gltf-binary")
    )
    answer = httpx.get(link, headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.content) == (206, b"234")
    assert answer.headers["content-type"] == "model/gltf-binary"
    assert "mein%20Modell.glb" in answer.headers["content-disposition"]
    assert httpx.get(link.replace("/results/1/", "/results/2/")).status_code == 403
    expired = s3_objects.presigner.get("results/1/model.glb", 1, ContentDisposition("a", "text/plain"))
    time.sleep(2.1)
    assert httpx.get(expired).status_code == 403


@pytest.mark.slow
def test_presigned_parts(s3_objects: S3Objects) -> None:
    data = os.urandom(PART_BYTES + 100)
    multipart = s3_objects.presigner.start("uploads/1/object")
    etags = []
    for number, part in enumerate((data[:PART_BYTES], data[PART_BYTES:]), 1):
        answer = httpx.put(s3_objects.presigner.part("uploads/1/object", multipart, number, 60), content=part)
        assert answer.status_code == 200, answer.text
        etags.append(answer.headers["etag"])
    assert s3_objects.size("uploads/1/object") is None
    for wrong in ([etags[0], '"0123"'], [*etags, etags[0]]):
        with pytest.raises(InputError) as caught:
            s3_objects.presigner.finish("uploads/1/object", multipart, wrong)
        assert caught.value.code == "parts-wrong"
    assert s3_objects.presigner.finish("uploads/1/object", multipart, etags) == len(data)
    assert content(s3_objects, "uploads/1/object") == data


@pytest.mark.slow
def test_abandoned_parts_are_swept(s3_objects: S3Objects) -> None:
    multipart = s3_objects.presigner.start("uploads/2/object")
    assert s3_objects.sweep(datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)) == 0
    assert s3_objects.sweep(LATER) == 1
    assert s3_objects.sweep(LATER) == 0
    s3_objects.presigner.abort("uploads/2/object", multipart)


@pytest.mark.slow
def test_all_pages_of_abandoned_parts_are_swept(s3_objects: S3Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    call = s3_objects.bucket.call

    def by_threes(method: str, **arguments: Any) -> Any:
        return call(method, **arguments, **({"MaxUploads": 3} if method == "list_multipart_uploads" else {}))

    monkeypatch.setattr(s3_objects.bucket, "call", by_threes)
    for number in range(10):
        s3_objects.presigner.start(f"uploads/{number}/object")
    assert s3_objects.sweep(LATER) == 10
    assert s3_objects.sweep(LATER) == 0


@pytest.mark.slow
def test_a_missing_bucket_is_named(s3: S3Options) -> None:
    objects = open_objects("s3://no-such-bucket/x", S3Options(s3.endpoint, WRITER, s3.secret))
    for act in (lambda: objects.put("a", b"1"), lambda: objects.write("a", [bytes(PART_BYTES), b"1"])):
        with pytest.raises(MachineError) as caught:
            act()
        assert caught.value.code in ("store-missing", "store-denied")  # SeaweedFS says the latter


@pytest.mark.slow
def test_encryption_is_asked_for(s3: S3Options) -> None:
    options = S3Options(s3.endpoint, s3.key, s3.secret, sse="AES256")
    objects = open_objects(f"s3://{BUCKET}/{uuid.uuid4().hex}", options)
    assert isinstance(objects, S3Objects)
    objects.write("small", [b"1"])
    objects.write("large", [bytes(PART_BYTES), b"1"])
    for name in ("small", "large"):
        assert objects.bucket.call("head_object", Key=objects.bucket.key(name))["ServerSideEncryption"] == "AES256"
    assert content(objects, "large", PART_BYTES) == b"1"


@pytest.mark.slow
def test_an_s3_that_refuses(s3: S3Options) -> None:
    refused = open_objects(f"s3://{BUCKET}/x", S3Options(s3.endpoint, s3.key, "wrong"))
    with pytest.raises(MachineError) as caught:
        refused.write("a", [b"1"])
    assert caught.value.code == "store-denied"
