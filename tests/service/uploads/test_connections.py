"""Uploads over real connections to a replica in a process of its own: clients that go away, and how memory grows."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from e2e3d.service.accounts import queries as accounts
from e2e3d.service.accounts.records import Quotas
from e2e3d.service.database import Database
from e2e3d.service.database.table_base import new_id, now
from e2e3d.service.sign_in import queries as tokens
from e2e3d.service.sign_in.tokens import TokenSigner
from e2e3d.storage.objects import ObjectStore
from e2e3d.storage.opening import open_objects
from e2e3d.tasks.ray_environment import LOCAL_ENVIRONMENT
from tests.pictures import encode, textured
from tests.servers import BUCKET, PostgresServer, S3Server, free_port
from tests.service.uploads.conftest import picture

pytestmark = pytest.mark.slow
SECRET = "s" * 40
MEGABYTE = 1 << 20


@dataclass
class Replica:
    """A running replica, and a user of it with an image set."""

    process: psutil.Popen
    port: int
    files: ObjectStore
    token: str
    set_id: str = ""

    def call(self, method: str, path: str, **arguments: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | arguments.pop("headers", {})  # type: ignore[operator]
        return httpx.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=300, **arguments)

    def begin(self, method: str, path: str, length: int, start: bytes, **headers: str) -> socket.socket:
        """Send the head of a request and the first bytes of its body."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {self.token}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {length}", "", ""]
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.sendall("\r\n".join(lines).encode() + start)
        return connection

    def stored(self, prefix: str) -> list[str]:
        return [info.name for info in self.files.find(prefix)]


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(params=["embedded", "servers"])
def replica(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Replica]:
    settings = {"E2E3D_HOME": str(tmp_path), "E2E3D_SECRET_KEY": SECRET, "E2E3D_STORE": str(tmp_path / "store")}
    settings["E2E3D_DATABASE_URL"] = f"sqlite:///{tmp_path / 'db.sqlite'}"
    if request.param == "servers":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        s3: S3Server = request.getfixturevalue("s3_server")
        settings["E2E3D_DATABASE_URL"] = postgres.new_database()
        settings["E2E3D_STORE"] = f"s3://{BUCKET}/{uuid.uuid4().hex}"
        settings["E2E3D_S3_ENDPOINT"] = str(s3.options.endpoint)
        settings["E2E3D_S3_KEY"], settings["E2E3D_S3_SECRET"] = str(s3.options.key), str(s3.options.secret)
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("replica.py")), str(port)]
    root = str(Path(__file__).parents[3])
    environment = os.environ | settings | {"PYTHONPATH": root, "TMPDIR": str(tmp_path)}
    environment |= {"MALLOC_ARENA_MAX": LOCAL_ENVIRONMENT["MALLOC_ARENA_MAX"]}  # as in the service
    process = psutil.Popen(command, env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL)
    options = request.getfixturevalue("s3_server").options if request.param == "servers" else None
    try:
        until(lambda: process.poll() is None and _answers(port))
        found = Replica(process, port, open_objects(settings["E2E3D_STORE"], options), _token(settings))
        found.set_id = found.call("POST", "/v1/image-sets", json={"name": "set"}).json()["id"]
        yield found
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    except httpx.TransportError:
        return False


def _token(settings: dict[str, str]) -> str:
    database = Database(settings["E2E3D_DATABASE_URL"])
    with database.session() as session:
        user = accounts.create(session, "a@example.org", "", "user", "x", Quotas(photos=1000, bytes=10**11, jobs=1))
        family = new_id()
        tokens.add_refresh(session, user.id, family, new_id(), now(), 3600)
    database.close()
    return TokenSigner(SECRET, 3600).sign(user.id, family, now())


def part(name: str) -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    return f"{head}Content-Type: application/octet-stream\r\n\r\n".encode()


FORM = "multipart/form-data; boundary=x"


def test_a_client_that_goes_away_in_the_middle(replica: Replica) -> None:
    photos = f"/v1/image-sets/{replica.set_id}/photos"
    whole = picture(1)
    body = part("a.jpg") + whole + b"\r\n" + part("set.zip") + b"PK\x03\x04" + bytes(12 * MEGABYTE)
    connection = replica.begin("POST", photos, 10**9, body, Content_Type=FORM)
    until(lambda: len(replica.stored("uploads")) > 0)  # of the archive, which has no end yet
    connection.close()
    until(lambda: replica.stored("uploads") == [])
    assert replica.call("GET", f"/v1/image-sets/{replica.set_id}/uploads").json()["items"] == []
    assert [photo["name"] for photo in replica.call("GET", photos).json()["items"]] == ["a.jpg"]
    body = part("b.jpg") + picture(2)[:-100]
    replica.begin("POST", photos, 10**9, body, Content_Type=FORM).close()
    again = part("b.jpg") + picture(2) + b"\r\n--x--\r\n"
    answer = replica.call("POST", photos, content=again, headers={"Content-Type": FORM})
    assert [item["outcome"] for item in answer.json()["items"]] == ["added"]
    assert len(replica.stored("blob")) == 2


def test_a_resumable_upload_goes_on_from_what_arrived(replica: Replica) -> None:
    data = picture(1) + os.urandom(20 * MEGABYTE)
    name = base64.b64encode(b"a.jpg").decode()
    begun = replica.call(
        "POST",
        f"/v1/image-sets/{replica.set_id}/uploads",
        headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(len(data)), "Upload-Metadata": f"filename {name}"},
    )
    place = begun.headers["location"]
    tus = {"Tus_Resumable": "1.0.0", "Upload_Offset": "0", "Content_Type": "application/offset+octet-stream"}
    half = len(data) // 2
    replica.begin("PATCH", place, len(data), data[:half], **tus).close()

    def offset() -> int:
        head = replica.call("HEAD", place, headers={"Tus-Resumable": "1.0.0"})
        return int(head.headers["upload-offset"])

    until(lambda: offset() > half - MEGABYTE)  # the HTTP server drops what it has not handed over yet
    kept = offset()
    assert kept <= half
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(kept), "Content-Type": tus["Content_Type"]}
    assert replica.call("PATCH", place, headers=headers, content=data[kept:]).status_code == 204
    until(lambda: replica.call("GET", place).json()["state"] == "done")
    photo = replica.call("GET", f"/v1/image-sets/{replica.set_id}/photos").json()["items"][0]
    assert (photo["name"], photo["bytes"]) == ("a.jpg", len(data))


class Peak:
    """The largest resident memory of a process while it is watched."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.start_bytes = self.bytes = process.memory_info().rss

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self.bytes = max(self.bytes, self._process.memory_info().rss)

    @property
    def growth_bytes(self) -> int:
        return self.bytes - self.start_bytes


@pytest.mark.operations
def test_a_gigabyte_needs_little_memory(replica: Replica) -> None:
    photo = encode(textured(3000, 4000, 1), quality=90)
    padding = os.urandom(10 * MEGABYTE - len(photo))
    count = 103

    def form(first: int, last: int) -> Iterator[bytes]:
        for number in range(first, last):
            yield part(f"{number}.jpg")
            yield photo
            yield number.to_bytes(4, "big")  # behind the picture: other bytes of the same length
            yield padding
            yield b"\r\n"
        yield b"--x--\r\n"

    photos = f"/v1/image-sets/{replica.set_id}/photos"
    warm = replica.call("POST", photos, content=form(0, 2), headers={"Content-Type": FORM})
    assert warm.status_code == 200, warm.text
    with Peak(replica.process) as peak:
        answer = replica.call("POST", photos, content=form(2, count), headers={"Content-Type": FORM})
    assert [item["outcome"] for item in answer.json()["items"]] == ["added"] * (count - 2)
    assert answer.json()["image_set"]["bytes"] > 1.05e9
    print(f"memory grew by {peak.growth_bytes / 1e6:.0f} MB from {peak.start_bytes / 1e6:.0f} MB")
    assert peak.growth_bytes < 100e6
