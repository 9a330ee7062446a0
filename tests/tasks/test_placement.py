"""How many cores a unit gets; how many units share a card, and that they run on its actors, even if it is made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from e2e3d.jobs.devices import gpu_count
from e2e3d.ops.threads import core_count
from e2e3d.stages.base import Resources
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.placement import CpuPlacement, lanes
from e2e3d.tasks.session import Cluster
from tests.jobs.toy_stages import SCALE_ALL_CORES, SCALE_SPREAD, ToyConfig, ToyInputs, computed

GB = 1_000_000_000


def test_as_many_units_share_a_card_as_its_memory_and_the_cores_allow() -> None:
    assert lanes(16, 24 * GB) == 4
    assert lanes(16, 8 * GB) == 2
    assert lanes(3, 80 * GB) == 3
    assert lanes(1, 80 * GB) == 1
    assert lanes(16, 2 * GB) == 1
    assert lanes(16, 0) == 1


def threads(units: int, cpus: int, nodes: int = 1, private: bool = True, spreads: bool = True) -> list[int]:
    cluster = Cluster(cpus, cpus // nodes, 16 * GB, 0, GB, nodes, private)
    return [context.threads for context in CpuPlacement(Resources(spreads=spreads), cluster).contexts(units)]


def test_the_last_units_of_a_pass_share_the_cores_that_would_be_idle() -> None:
    assert threads(11, cpus=2) == [1] * 10 + [2]
    assert threads(10, cpus=2) == [1] * 10
    assert threads(11, cpus=8) == [1] * 8 + [2, 2, 2]
    assert threads(1, cpus=8) == [8]
    assert threads(3, cpus=1) == [1, 1, 1]
    assert threads(1, cpus=32, nodes=4) == [8]


def test_a_unit_never_waits_for_several_cores_among_the_units_of_others() -> None:
    assert threads(11, cpus=8, private=False) == [1] * 11
    assert threads(11, cpus=8, spreads=False) == [1] * 11


@pytest.mark.slow
def test_spread_units_run_with_the_threads_they_were_granted(tmp_path: Path) -> None:
    from e2e3d.tasks.executor import RayExecutor

    cores = core_count()
    units = [ToyInputs(start, np.arange(3.0)) for start in range(cores + 1)]
    with RayExecutor(ArtifactStore(str(tmp_path / "store")), device="cpu") as run:
        results = [ref.load() for ref in run.map(SCALE_SPREAD, units, ToyConfig())]
    assert [result.threads for result in results] == [1] * cores + [cores]
    assert [result.values[0] for result in results] == [float(i) for i in range(cores + 1)]


@pytest.fixture
def made_up_gpu() -> Iterator[None]:
    """A private Ray that believes in one GPU."""
    import ray

    ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.skipif(gpu_count() > 0, reason="a GPU is present")
def test_units_run_on_gpu_actors(made_up_gpu: None, tmp_path: Path) -> None:
    from e2e3d.tasks.executor import RayExecutor

    units = [ToyInputs(start, np.arange(3.0)) for start in range(6)]
    with RayExecutor(ArtifactStore(str(tmp_path / "store"))) as run:
        results = [ref.load() for ref in run.map(SCALE_ALL_CORES, units, ToyConfig(folder=str(tmp_path)))]
        assert {result.device for result in results} == {"cuda"}
        assert [result.values[0] for result in results] == [float(i) for i in range(6)]
        assert len(computed(tmp_path)) == 6
