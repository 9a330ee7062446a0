"""The Compose file: valid, hardened, closed but for nginx, and in agreement with the code and the files it names."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator

from e2e3d.config.deployment import ServiceSettings
from e2e3d.storage.bucket_setup import USERS, policy
from tests.command import ROOT
from tests.operations.stack import listed_ports

FILE = ROOT / "cluster" / "compose" / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MADE = ("./secrets", "../../build/dashboards")
"""Folders that commands make: cluster/secrets.sh, and make dashboards."""
OF_START = {"HEAD", "REDIS", "REDIS_PASSWORD_FILE", "RAY_TOKEN_FILE", "CPUS", "GPUS"}


def with_defaults(text: str) -> str:
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def text(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text("utf-8")


def test_it_is_valid() -> None:
    errors = Draft7Validator(get_builtin_schema("vendor.compose-spec")).iter_errors(COMPOSE)
    assert [f"{list(error.path)}: {error.message}" for error in errors] == []


def test_nothing_but_nginx_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["nginx"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert all("network_mode" not in service for service in SERVICES.values())


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert service["profiles"][0] in ("core", "monitoring", "airflow", "gpu")
    image = with_defaults(service["image"])
    assert re.search(r":[\w.-]+$", image), "a version is named"
    assert not image.endswith(":latest")


def test_files_that_are_mounted_exist_or_are_made_by_a_command() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = with_defaults(volume).split(":")[0]
            if source.startswith(".") and not source.startswith(MADE):
                assert (FILE.parent / source).exists(), source
            elif not source.startswith((".", "/")):
                assert source in COMPOSE["volumes"], source
        build = service.get("build", {})
        assert "dockerfile" not in build or (FILE.parent / build["context"] / build["dockerfile"]).is_file()
        if "target" in build:
            assert f" AS {build['target']}\n" in text("cluster", "images", "Containerfile")


def test_every_secret_is_made_once_by_the_script(tmp_path: Path) -> None:
    script = ["sh", str(ROOT / "cluster" / "secrets.sh"), str(tmp_path / "secrets")]
    subprocess.run(script, check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    mounted = {with_defaults(volume).split(":")[0] for each in SERVICES.values() for volume in each.get("volumes", ())}
    files = [with_defaults(secret["file"]) for secret in COMPOSE["secrets"].values()]
    files += [source for source in mounted if source.startswith("./secrets/")]
    assert {Path(file).name for file in files} - made.keys() == set()
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == COMPOSE["secrets"].keys()
    subprocess.run(script, check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == made


def test_the_settings_are_taken_by_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["sh", str(ROOT / "cluster" / "secrets.sh"), str(tmp_path)], check=True, capture_output=True)
    given = {name: with_defaults(str(value)) for name, value in SERVICES["api"]["environment"].items()}
    known = {f"E2E3D_{name.upper()}" for name in ServiceSettings.model_fields} | {"E2E3D_CONFIG"} | OF_START
    ours = [service for service in SERVICES.values() if service.get("build", {}).get("target") in ("cpu", "cuda")]
    names = {name for service in ours for name in service.get("environment", ())}
    assert names - known == set()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("E2E3D_CONFIG", str(tmp_path / "e2e3d.toml"))
    settings = ServiceSettings()
    assert settings.secret_key == (tmp_path / "secret_key").read_text()
    assert (settings.port, settings.runner_metrics_port, settings.url) == (8000, 9101, "https://localhost")
    assert (
        settings.database
        == f"postgresql+psycopg2://e2e3d:{(tmp_path / 'postgres_password').read_text()}@postgres/e2e3d"
    )
    assert settings.s3_options.public_endpoint == "https://localhost"
    bucket = SERVICES["nginx"]["environment"]["BUCKET"]
    assert settings.store_url.startswith(f"s3://{bucket}/")


def test_what_one_container_calls_another_listens_there() -> None:
    """Names and ports that settings speak of are those of services, and of what they are told to listen on."""
    ports = {"api": 8000, "runner": 9101, "postgres": 5432, "redis": 6379, "minio": 9000, "ray-head": {6379, 8265}}
    named = re.findall(
        r"\b([a-z-]+):(\d{4,5})\b", yaml.safe_dump([each.get("environment", {}) for each in SERVICES.values()])
    )
    assert named
    aliases = {
        alias
        for each in SERVICES.values()
        if isinstance(each["networks"], dict)
        for network in each["networks"].values()
        for alias in network.get("aliases", ())
    }
    for host, port in named:
        assert host in SERVICES.keys() | aliases, host
        expected = ports.get(host, int(port))
        assert int(port) in (expected if isinstance(expected, set) else {expected}), (host, port)
    for path in (ROOT / "cluster" / "prometheus" / "targets").glob("*.yml"):
        for entry in yaml.safe_load(path.read_text("utf-8")) or ():
            for target in entry["targets"]:
                host = re.sub(r"^https?://", "", target).split(":")[0].split("/")[0]
                assert host in SERVICES.keys() | aliases, target


def test_users_of_the_bucket_have_the_policies_that_are_tried_on_a_server() -> None:
    """MinIO's users are made by its own client, which no test can run: another test tries these rights on a server."""
    store, folder = SERVICES["api"]["environment"]["E2E3D_STORE"], ROOT / "cluster" / "compose" / "minio"
    written = {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}
    assert written == {name: policy(store, actions) for name, actions in USERS.items()}
    script = (folder / "users.sh").read_text("utf-8")
    assert set(re.findall(r"^user (\w+)", script, re.MULTILINE)) == USERS.keys()
    secrets = SERVICES["storage-users"]["secrets"]
    assert set(re.findall(r"\$\(secret (\w+)\)", script)) == set(secrets)
    for name in ("api", "worker", "ray-head", "backup"):
        assert not {"s3_root_key", "s3_root_secret"} & set(SERVICES[name]["secrets"])


def test_ports_of_ray_are_those_of_the_page_on_security() -> None:
    listed = listed_ports()
    script = text("cluster", "images", "start.sh")
    of_nodes = {int(port) for port in re.findall(r"--[a-z-]+-port=(\d+)", script.partition("case ")[0])}
    ((first, last),) = re.findall(r"--min-worker-port=(\d+) --max-worker-port=(\d+)", script)
    of_head = {int(port) for port in re.findall(r"--(?:dashboard-)?port=(\d+)", script)}
    assert of_head == {6379, 8265}
    for node in ("ray-head", "api", "worker"):
        known = listed[node]
        assert range(int(first), int(last) + 1) in known
        assert {port for port in of_nodes - {int(first), int(last)} if range(port, port + 1) not in known} == set()
    assert all(range(port, port + 1) in listed["ray-head"] for port in of_head)


def test_settings_of_nginx_are_those_of_its_script() -> None:
    script = text("cluster", "nginx", "render.sh")
    assert [name for name in SERVICES["nginx"]["environment"] if f"{name}" not in script] == []
    names = set(re.findall(r"@([A-Z0-9_]+)@", text("cluster", "nginx", "nginx.conf.template"))) - {"NAMES"}
    listed = re.search(r'^names="([^"]+)"', script, re.MULTILINE)
    assert listed is not None
    assert names == set(listed[1].split())
