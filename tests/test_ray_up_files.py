"""The files for ``ray up`` are what Ray takes, and name what is there."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.command import ROOT

FILES = ("cluster.yaml", "cluster/aws.yaml", "cluster/gcp.yaml")


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture(scope="module")
def schema() -> Any:
    spec = importlib.util.find_spec("ray")  # not imported: this test needs the file only
    assert spec is not None
    assert spec.origin is not None
    return json.loads((Path(spec.origin).parent / "autoscaler" / "ray-schema.json").read_text())


@pytest.mark.parametrize("name", FILES)
def test_ray_takes_the_file(name: str, schema: Any) -> None:
    jsonschema.validate(read(name), schema)


@pytest.mark.parametrize("name", FILES)
def test_what_is_copied_to_the_machines_is_there(name: str) -> None:
    for source in read(name)["file_mounts"].values():
        assert source.startswith("~/.ray/") or (ROOT / source).exists(), source


@pytest.mark.parametrize("name", FILES)
def test_ray_asks_for_its_token_on_every_machine(name: str) -> None:
    config = read(name)
    for commands in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert "RAY_AUTH_MODE=token" in config[commands][-1]
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


@pytest.mark.parametrize("name", FILES)
def test_a_silent_machine_is_given_up_within_ten_seconds(name: str) -> None:
    start = read(name)["head_start_ray_commands"][-1]
    period, timeout, failures = (
        int(re.search(rf"RAY_health_check_{what}=(\d+)", start)[1])  # type: ignore[index]
        for what in ("period_ms", "timeout_ms", "failure_threshold")
    )
    assert 2000 < failures * (period + timeout) <= 10_000


@pytest.mark.parametrize("name", FILES[1:])
def test_rented_workers_come_by_demand_and_the_head_only_coordinates(name: str) -> None:
    config = read(name)
    types = config["available_node_types"]
    assert types[config["head_node_type"]]["resources"] == {"CPU": 0}
    groups = [group for key, group in types.items() if key != config["head_node_type"]]
    assert sum(group["max_workers"] for group in groups) == config["max_workers"]
    assert all(group["min_workers"] == 0 for group in groups)


@pytest.mark.parametrize("name", FILES[1:])
def test_machines_are_set_up_and_started_alike_everywhere(name: str) -> None:
    ours, there = read("cluster.yaml"), read(name)
    assert ours["file_mounts"] == there["file_mounts"]
    assert ours["setup_commands"] == there["setup_commands"]
    assert ours["worker_start_ray_commands"] == there["worker_start_ray_commands"]
    start = ours["head_start_ray_commands"][-1].replace(" RAY_enable_autoscaler_v2=0", "")
    assert start == there["head_start_ray_commands"][-1]
