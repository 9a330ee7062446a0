from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from e2e3d.service.administration import state
from e2e3d.service.database import Database
from e2e3d.storage.objects import ObjectStore
from e2e3d.storage.opening import open_objects
from tests.operations.monitoring import Alertmanager, BlackboxExporter, NodeExporter, Prometheus, PublicAddress
from tests.receiver import Receiver, receiving
from tests.running_service import RunningService, ServiceClient
from tests.servers import BUCKET, KEY, SECRET, PostgresServer, S3Server, free_port

TOKEN, SIGNING_KEY = "the-token-of-the-metrics", "the-signing-key-of-these-tests-0123456789"


@dataclass
class WatchedService:
    """A service with servers of its own, and everything that watches it."""

    service: RunningService
    client: ServiceClient
    postgres: PostgresServer
    s3: S3Server
    prometheus: Prometheus
    node: NodeExporter
    public: PublicAddress
    receiver: Receiver
    database_url: str
    store: ObjectStore
    folder: Path

    def told(self, path: str, status: str) -> set[str]:
        """The alerts that somebody was told of, as ``firing`` or ``resolved``."""
        found = [json.loads(message.body) for message in self.receiver.messages if message.path == path]
        return {one["labels"]["alertname"] for body in found for one in body["alerts"] if one["status"] == status}

    def record_backup(self, age: datetime.timedelta) -> None:
        """Write down a backup that is so old."""
        at = datetime.datetime.now(datetime.UTC) - age
        database = Database(self.database_url)
        with database.session() as session:
            state.record_backup(session, "made", {"at": at.isoformat()})
        database.close()


@pytest.fixture(scope="session")
def watched(
    postgres: PostgresServer, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WatchedService]:
    """A watched service in which nothing is wrong; a test repairs what it breaks."""
    folder = tmp_path_factory.mktemp("watched")
    database_url, store_url, runner = postgres.new_database(), f"s3://{BUCKET}/watched", free_port()
    settings = {
        "E2E3D_DATABASE_URL": database_url,
        "E2E3D_STORE": store_url,
        "E2E3D_S3_ENDPOINT": str(s3_server.options.endpoint),
        "E2E3D_S3_KEY": KEY,
        "E2E3D_S3_SECRET": SECRET,
        "E2E3D_SECRET_KEY": SIGNING_KEY,
        "E2E3D_METRICS_TOKEN": TOKEN,
        "E2E3D_RUNNER_METRICS_PORT": str(runner),
    }
    service = RunningService(folder, **settings)
    with contextlib.ExitStack() as running:
        running.callback(service.kill)
        service.start()
        receiver = running.enter_context(receiving())
        public = PublicAddress(folder, service.url)
        running.callback(public.close)
        alertmanager = Alertmanager(folder / "alertmanager", f"http://127.0.0.1:{receiver.port}")
        blackbox = BlackboxExporter(folder / "blackbox", public.authority)
        node = NodeExporter(folder / "node")
        probe = {"targets": [public.url], "labels": {"prober": f"127.0.0.1:{blackbox.port}", "module": "public"}}
        at = {"e2e3d": service.port, "e2e3d-runner": runner, "node": node.port, "alertmanager": alertmanager.port}
        targets = {name: [{"targets": [f"127.0.0.1:{port}"]}] for name, port in at.items()} | {"probe": [probe]}
        prometheus = Prometheus(folder / "prometheus", targets, TOKEN)
        for server in (alertmanager, blackbox, node, prometheus):
            running.callback(server.stop)
            server.start()
        http = running.enter_context(httpx.Client(base_url=service.url, timeout=60.0))
        client = ServiceClient(http)
        store = open_objects(store_url, s3_server.options)
        yield WatchedService(
            service, client, postgres, s3_server, prometheus, node, public, receiver, database_url, store, folder
        )
