"""The servers of the Compose file and what watches them, without containers and without Ray: up, closed, and back."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cluster.test.network import Network
from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import MachineError
from e2e3d.storage.opening import open_objects
from e2e3d.storage.s3_bucket import S3Bucket
from tests.command import e2e3d, wait_for
from tests.hosts import require_namespaces
from tests.operations.stack import RunningStack, running_stack, wrong_ports
from tests.running_service import patience_s
from tests.servers import program

pytestmark = [pytest.mark.slow, pytest.mark.operations, pytest.mark.timeout(900)]
MONITORING = ("prometheus", "alertmanager", "node-exporter", "blackbox-exporter", "postgres-exporter", "redis-exporter")
SERVICES = ("storage", "postgres", "redis", "collector", "shipper", *MONITORING)


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    require_namespaces()
    with running_stack(*SERVICES) as running:
        yield running


def s3_options(stack: RunningStack, user: str) -> S3Options:
    endpoint = f"http://{stack.address('minio')}:9000"
    return S3Options(endpoint, stack.secret(f"{user}_key"), stack.secret(f"{user}_secret"))


def psql(stack: RunningStack, statement: str, password: str) -> subprocess.CompletedProcess[str]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    where = f"host={stack.address('postgres')} user=e2e3d dbname=e2e3d connect_timeout=10 password={password}"
    words = [program("psql", *programs), where, "--no-password", "--tuples-only", "--command", statement]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def test_all_are_well_within_a_minute(stack: RunningStack) -> None:
    assert stack.started_s < patience_s(60.0)
    state = stack.state()
    assert state["containers"].keys() == {*SERVICES, "minio"}
    assert all(each["healthy"] and each["restarts"] == 0 for each in state["containers"].values())
    assert {name for name, each in state["containers"].items() if each["user"].startswith("0:")} == set()


def test_nothing_listens_but_what_the_table_says(stack: RunningStack) -> None:
    assert wrong_ports(stack) == {}


def test_a_container_can_do_no_more_than_it_must(stack: RunningStack) -> None:
    """No capability, no new right, another user, a root that cannot be written, and its own network and processes."""
    for name, each in stack.state()["containers"].items():
        if each["pid"] is None:
            continue
        said = dict(line.split(":\t", 1) for line in Path(f"/proc/{each['pid']}/status").read_text().splitlines())
        assert {said[f"Cap{kind}"] for kind in ("Eff", "Prm", "Inh", "Bnd", "Amb")} == {"0" * 16}, name
        assert said["NoNewPrivs"] == "1", name
        assert said["Uid"].split()[0] != "0", name
        (root,) = [
            line for line in Path(f"/proc/{each['pid']}/mounts").read_text().splitlines() if line.split()[1] == "/"
        ]
        assert root.split()[3].startswith("ro"), name


def test_the_bucket_is_prepared_and_its_users_are_bounded(stack: RunningStack) -> None:
    root = S3Bucket("s3://models", s3_options(stack, "s3_root"))
    assert root.call("get_bucket_versioning")["Status"] == "Enabled"
    assert len(root.call("get_bucket_lifecycle_configuration")["Rules"]) == 2
    store = open_objects("s3://models/service", s3_options(stack, "s3"))
    store.put("blob/a", b"kept")
    reader = open_objects("s3://models/service", s3_options(stack, "s3_backup"))
    assert bytes(reader.load("blob/a")) == b"kept"
    for refused in (
        lambda: reader.put("blob/a", b"changed"),
        lambda: S3Bucket("s3://others", s3_options(stack, "s3")).call("create_bucket"),
        lambda: open_objects("s3://models", dataclasses.replace(s3_options(stack, "s3"), secret="guessed")).size(
            "blob/a"
        ),
    ):
        with pytest.raises(MachineError) as error:
            refused()
        assert error.value.code == "store-denied"


def test_who_does_not_know_the_secrets_gets_nothing(stack: RunningStack) -> None:
    """From another container, as somebody who got into it would try."""
    asked = stack.inside("blackbox-exporter", "redis-cli", "-h", stack.address("redis"), "keys", "*")
    assert "NOAUTH" in asked.stdout + asked.stderr
    curl = ("curl", "--silent", "--max-time", "10", "--output", "/dev/null", "--write-out", "%{http_code}")
    assert stack.inside("blackbox-exporter", *curl, f"http://{stack.address('minio')}:9000/models/").stdout == "403"
    assert "authentication failed" in psql(stack, "SELECT 1", "guessed").stderr


def test_servers_that_crash_come_back_with_what_they_kept(stack: RunningStack) -> None:
    password = stack.secret("postgres_password")
    assert psql(stack, "CREATE TABLE kept (value text); INSERT INTO kept VALUES ('row')", password).returncode == 0
    open_objects("s3://models/service", s3_options(stack, "s3")).put("blob/b", b"kept")
    for name in ("postgres", "redis", "minio", "prometheus", "collector"):
        stack.kill(name)
        wait_for(lambda name=name: stack.restarts(name) == 1, 60)
        stack.wait_until_well(name)
    assert psql(stack, "SELECT value FROM kept", password).stdout.strip() == "row"
    assert bytes(open_objects("s3://models/service", s3_options(stack, "s3")).load("blob/b")) == b"kept"


def test_servers_are_watched_and_lines_are_collected(stack: RunningStack) -> None:
    query = f"http://{stack.address('prometheus')}:9090/api/v1/query"

    def up() -> set[str]:
        found = httpx.get(query, params={"query": "up == 1"}, timeout=20.0).json()["data"]["result"]
        return {one["metric"]["job"] for one in found}

    wait_for(lambda: {"postgresql", "redis", "node", "s3", "probe"} <= up(), 120)
    words = [
        "logger",
        "-n",
        stack.address("collector"),
        "-P",
        "1514",
        "-T",
        "--rfc5424",
        "--octet-count",
        "-t",
        "e2e3d",
    ]
    line = '{"time": "2026-11-28T04:00:00.000+00:00", "level": "info", "job": "job-1", "message": "it begins"}\n'
    subprocess.run(words, input=line, text=True, check=True)
    logs = stack.folder / "volumes" / "logs"
    wait_for(lambda: "it begins" in e2e3d("admin", "logs", "job-1", "--folder", logs).stdout, 60)


def test_nothing_remains_of_it() -> None:
    require_namespaces()
    before = Network.taken()
    with running_stack("redis") as stack:
        pid = stack.state()["containers"]["redis"]["pid"]
        (mark,) = Network.taken() - before
    assert Network.taken() == before
    assert not Path(f"/proc/{pid}").exists()
    assert mark not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout


def test_it_says_what_is_wrong(tmp_path: Path) -> None:
    require_namespaces()
    stack = RunningStack(tmp_path)
    with pytest.raises(AssertionError, match="There is no service postgers"):
        stack.command("up", "--services", "postgers")
