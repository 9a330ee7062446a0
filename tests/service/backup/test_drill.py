"""The drill: photographs arrive and results are acknowledged, a backup is made, database and bucket are destroyed.

Prints what it measured (``pytest -s``): docs/backup.md has the figures.
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e3d.client import Client
from e2e3d.service.backup.restore_backup import restore_backup
from e2e3d.service.database.table_base import now
from e2e3d.service.verification.verify import verify
from tests.client.conftest import write_photographs
from tests.live import LiveService, live_service
from tests.running_service import patience_s
from tests.servers import PostgresServer, S3Server
from tests.service.backup.deployments import Deployment, add_result
from tests.service.uploads.conftest import s3_settings

pytestmark = pytest.mark.slow


@pytest.fixture
def production(postgres: PostgresServer, s3_server: S3Server, tmp_path: Path) -> Iterator[Deployment]:
    """PostgreSQL with S3, empty."""
    given = s3_settings(s3_server) | {"database_url": postgres.new_database()}
    made = Deployment(tmp_path / "home", given, f"s3://artifacts/{uuid.uuid4().hex}/backups", postgres)
    yield made
    postgres.drop_database(made.given["database_url"])


class Users(threading.Thread):
    """Upload new photographs and get results, on and on; `results` and `photographs` were acknowledged."""

    def __init__(self, live: LiveService, folder: Path) -> None:
        super().__init__()
        self.live = live
        self.folder = folder
        self.leaving = threading.Event()
        self.results: dict[str, bytes] = {}
        self.photographs: dict[str, int] = {}

    def run(self) -> None:
        with Client(self.live.url, self.live.key) as client:
            for turn in itertools.takewhile(lambda _: not self.leaving.is_set(), itertools.count()):
                write_photographs(self.folder / str(turn), 3, seed=turn)
                image_set = client.create_image_set(f"set {turn}").id
                client.upload(image_set, self.folder / str(turn))
                self.photographs[image_set] = 3
                job = client.submit(image_set, "preview").id
                content = uuid.uuid4().bytes * 5000
                add_result(self.live, job, "model.glb", content)
                assert client.results(job)
                self.results[job] = content

    def wait_for(self, count: int) -> None:
        deadline_s = time.monotonic() + patience_s(60.0)
        while len(self.results) < count:
            assert self.is_alive(), "a user was refused"
            assert time.monotonic() < deadline_s
            time.sleep(0.02)


def test_everything_acknowledged_before_the_backup_survives_the_loss_of_database_and_bucket(
    production: Deployment, tmp_path: Path
) -> None:
    with live_service(production.home, **production.given) as live:
        users = Users(live, tmp_path / "photographs")
        users.start()
        users.wait_for(3)
        production.back_up()  # the hour before
        users.wait_for(6)
        results, photographs = dict(users.results), dict(users.photographs)
        began_s = time.monotonic()
        manifest = production.back_up()
        backup_s = time.monotonic() - began_s
        users.wait_for(len(users.results) + 1)
        users.leaving.set()
        users.join()
    assert manifest.lost == ()
    assert manifest.copied < manifest.objects, "what the earlier backup has is not copied again"

    production.lose()
    lost_s = time.monotonic()
    database, files, folder = production.database(), production.files(), production.folder()
    restored = restore_backup(database, files, folder, folder.manifest(None), now())
    assert restored.lacking == ()
    assert verify(database, files, deep=True, clock=now).lost == []
    database.close()
    with live_service(production.home, **production.given) as live, Client(live.url, live.key) as client:
        back_s = time.monotonic() - lost_s
        for image_set, count in photographs.items():
            assert client.image_set(image_set).photo_count == count
        for job, content in results.items():
            client.download(job, tmp_path / job)
            assert (tmp_path / job / "model.glb").read_bytes() == content
        again = client.rerun(next(iter(results))).id
        add_result(live, again, "model.glb", b"computed after the loss")
    print(
        f"backup of {manifest.objects} objects, {manifest.copied} of them new: {backup_s:.1f} s; "
        f"lost: what came after {manifest.snapshot_at:%H:%M:%S}; service back after {back_s:.1f} s"
    )
