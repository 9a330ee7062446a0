"""The executor on a cluster that grows and shrinks while it computes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2e3d.pipeline.workspace import default_store
from e2e3d.storage.content_keys import content_key
from e2e3d.storage.store import ArtifactStore
from tests.command import ROOT, environment, wait_for
from tests.pipeline import toy_stages as toy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_NODE = {"object_store_memory": 80_000_000}


@pytest.fixture(scope="module")
def growing() -> Iterator[Any]:
    """A cluster whose head computes nothing; machines are added and removed by the tests, in their order."""
    from ray.cluster_utils import Cluster  # the mode of this process is fixed here, before that of the cluster is set

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_health_check_period_ms", "1000")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **_NODE})
        yield cluster
        cluster.shutdown()


def run(cluster: Any, out: Path, stage: str, units: int, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.tasks.toy_run", stage, str(out), str(units), str(seconds)]
    given = environment(E2E3D_RAY_ADDRESS=cluster.address, RAY_AUTH_MODE="disabled")
    return subprocess.Popen(command, env=given, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def slots_used(out: Path) -> int:
    """How many processes computed something."""
    return len(list(out.glob("pid*")))


@pytest.mark.operations
def test_machines_that_join_are_used_and_those_that_leave_are_forgotten(growing: Any, tmp_path: Path) -> None:
    units = 60
    driver = run(growing, tmp_path, "SLEEP", units, 1.0)
    wait_for((tmp_path / ".e2e3d").exists)
    time.sleep(2.0)
    assert not toy.computed(tmp_path)  # no machine computes yet; one is asked for
    first = growing.add_node(num_cpus=1, **_NODE)
    wait_for(lambda: len(toy.computed(tmp_path)) >= 2)
    assert slots_used(tmp_path) == 1
    growing.add_node(num_cpus=3, **_NODE)
    joined_s = time.monotonic()
    wait_for(lambda: slots_used(tmp_path) == 4)
    print(f"three new slots in use {time.monotonic() - joined_s:.1f} s after their machine joined")
    growing.remove_node(first, allow_graceful=False)  # like a machine that is switched off
    _, errors = driver.communicate(timeout=300)
    assert driver.returncode == 0, errors
    done = toy.computed(tmp_path)
    assert set(done) == {str(i) for i in range(units)}
    assert len(done) <= units + 1  # what the dead machine had under way is computed again, nothing else


@pytest.mark.operations
def test_units_for_a_large_machine_that_left_run_on_a_smaller_one(growing: Any, tmp_path: Path) -> None:
    large = growing.add_node(num_cpus=4, **_NODE)  # beside the three cores of the test before
    driver = run(growing, tmp_path, "SLEEP_ON_ALL_CORES", 3, 3.0)
    wait_for(lambda: slots_used(tmp_path) > 0)
    growing.remove_node(large, allow_graceful=False)
    _, errors = driver.communicate(timeout=200)
    assert driver.returncode == 0, errors
    store, config = ArtifactStore(default_store(tmp_path)), toy.ToyConfig(folder=str(tmp_path))
    keys = [content_key(toy.SLEEP_ON_ALL_CORES, toy.ToyInputs(i, np.full(1, 3.0)), config) for i in range(3)]
    assert {store.get(key, toy.Numbers).threads for key in keys} <= {3, 4}  # 4: of one that ran elsewhere before
