"""A small service with photographs, results and an upload under way, on both kinds of deployment, and its loss."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e3d.client import Client
from e2e3d.config.deployment import ServiceSettings
from e2e3d.service.backup.backup_folder import BackupFolder
from e2e3d.service.backup.make_backup import make_backup
from e2e3d.service.backup.records import Manifest
from e2e3d.service.database import Database
from e2e3d.service.database.table_base import now
from e2e3d.storage.objects import ObjectStore
from e2e3d.storage.opening import open_objects
from tests.client.conftest import write_photographs
from tests.live import LiveService, live_service
from tests.servers import PostgresServer, S3Server
from tests.service.uploads.conftest import s3_settings

MODEL = b"a model, in a few bytes"


@dataclass
class Deployment:
    """Where a service keeps everything, and where its backups go; `lose` destroys database and store."""

    home: Path
    given: dict[str, Any]
    place: str
    postgres: PostgresServer | None = None
    job: str = ""

    @property
    def settings(self) -> ServiceSettings:
        return ServiceSettings(home=self.home, secret_key="k" * 40, **self.given)

    def database(self) -> Database:
        return Database(self.settings.database, pool_size=4)

    def files(self) -> ObjectStore:
        return open_objects(self.settings.store_url, self.settings.s3_options)

    def folder(self) -> BackupFolder:
        return BackupFolder(self.place, self.settings.backup_s3_options)

    def back_up(self, passphrase: str | None = None) -> Manifest:
        database = self.database()
        try:
            return make_backup(self.settings, database, self.files(), self.folder(), passphrase, now)
        finally:
            database.close()

    def lose(self) -> None:
        """Destroy database and store; the new database is empty."""
        for info in list(self.files().find()):
            self.files().delete(info.name)
        if self.postgres is None:
            shutil.rmtree(self.home)
        else:
            self.postgres.drop_database(self.given["database_url"])
            self.given["database_url"] = self.postgres.new_database()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """An embedded service that was filled once; tests get copies."""
    folder = tmp_path_factory.mktemp("filled")
    made = Deployment(folder / "home", {}, "")
    made.job = fill(made, folder / "photographs")
    return made


@pytest.fixture
def embedded(filled: Deployment, tmp_path: Path) -> Deployment:
    """A filled service on SQLite with a folder."""
    shutil.copytree(filled.home, tmp_path / "home")
    return Deployment(tmp_path / "home", {}, str(tmp_path / "backups"), job=filled.job)


@pytest.fixture(params=["embedded", pytest.param("servers", marks=pytest.mark.slow)])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    """A filled service on SQLite with a folder, and on PostgreSQL with S3."""
    if request.param == "embedded":
        yield request.getfixturevalue("embedded")
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    server: S3Server = request.getfixturevalue("s3_server")
    given = s3_settings(server) | {"database_url": postgres.new_database()}
    made = Deployment(tmp_path / "home", given, f"s3://artifacts/{uuid.uuid4().hex}/backups", postgres)
    made.job = fill(made, tmp_path / "photographs")
    yield made
    postgres.drop_database(made.given["database_url"])


def fill(deployment: Deployment, photographs: Path) -> str:
    """Three photographs, a job with a result, and an upload of which half has arrived; returns the id of the job."""
    write_photographs(photographs, 3, seed=7)
    with live_service(deployment.home, **deployment.given) as live, Client(live.url, live.key) as client:
        image_set = client.create_image_set("statue").id
        client.upload(image_set, photographs)
        job = client.submit(image_set, "preview").id
        add_result(live, job, "model.glb", MODEL)
        half = {"Tus-Resumable": "1.0.0", "Upload-Length": "2000", "Upload-Metadata": "filename YS5qcGc="}
        half |= {"Content-Type": "application/offset+octet-stream", "Authorization": f"Bearer {live.key}"}
        address = f"{live.url}/v1/image-sets/{image_set}/uploads"
        assert httpx.post(address, headers=half, content=b"x" * 1000, timeout=60).status_code == 201
    return job


def add_result(live: LiveService, job_id: str, path: str, content: bytes) -> None:
    fence = live.begin(job_id)
    live.result(fence, path, content)
    live.end(fence)
