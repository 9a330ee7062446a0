"""The application on SQLite with a folder, and on PostgreSQL with S3; and over real connections."""

from __future__ import annotations

import io
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.pictures import encode, textured
from tests.servers import BUCKET, PostgresServer, S3Server
from tests.service.api import Api, open_api


def picture(seed: int) -> bytes:
    return encode(textured(360, 480, seed))


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return stream.getvalue()


@dataclass
class Desk:
    """A user with an image set."""

    api: Api
    user_id: str
    headers: dict[str, str]
    set_id: str = ""

    def __post_init__(self) -> None:
        self.set_id = self.set_id or self.call("POST", "/v1/image-sets", json={"name": "set"}).json()["id"]

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = self.headers | arguments.pop("headers", {})
        return self.api.client.request(method, path, headers=headers, **arguments)

    def send(self, *files: tuple[str, bytes]) -> httpx.Response:
        form = [("file", (name, data, "application/octet-stream")) for name, data in files]
        return self.call("POST", f"/v1/image-sets/{self.set_id}/photos", files=form)

    def photos(self) -> dict[str, dict[str, Any]]:
        answer = self.call("GET", f"/v1/image-sets/{self.set_id}/photos", params={"limit": 200})
        return {photo["name"]: photo for photo in answer.json()["items"]}

    def upload(self, upload_id: str) -> dict[str, Any]:
        return self.call("GET", f"/v1/uploads/{upload_id}").json()

    def finished(self, upload_id: str) -> dict[str, Any]:
        """The upload when its import has ended."""
        deadline_s = time.monotonic() + 240
        while (upload := self.upload(upload_id))["state"] == "importing":
            assert time.monotonic() < deadline_s, upload
            time.sleep(0.05)
        return upload

    def stored(self) -> set[str]:
        return {info.name for info in self.api.services.files.find()}


def new_desk(api: Api) -> Desk:
    user_id = api.user(f"{uuid.uuid4().hex}@example.org")
    return Desk(api, user_id, api.headers(user_id))


@pytest.fixture(params=["embedded", pytest.param("servers", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """Both ways in which the service is deployed."""
    if request.param == "embedded":
        with open_api(f"sqlite:///{tmp_path / 'db.sqlite'}", tmp_path) as api:
            yield api
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    server: S3Server = request.getfixturevalue("s3_server")
    url = postgres.new_database()
    with open_api(url, tmp_path, **s3_settings(server)) as api:
        yield api
    postgres.drop_database(url)


def s3_settings(server: S3Server) -> dict[str, Any]:
    options = server.options
    prefix = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    reach = {"s3_endpoint": options.endpoint, "s3_key": options.key, "s3_secret": options.secret}
    return {"store": f"{prefix}/store", "allowed_s3_prefixes": f"{prefix}/source", **reach}


@pytest.fixture
def desk(place: Api) -> Desk:
    return new_desk(place)


@pytest.fixture
def embedded_desk(embedded_api: Api) -> Desk:
    return new_desk(embedded_api)
