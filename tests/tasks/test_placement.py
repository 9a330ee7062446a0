"""Units that want a GPU: how many share a card, and that they run on its actors, even with a card that is made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from e2e3d.runtime.gpu_devices import gpu_count, lanes
from e2e3d.storage.store import ArtifactStore
from tests.pipeline.toy_stages import SCALE_ALL_CORES, ToyConfig, ToyInputs, computed

GB = 1_000_000_000


def test_as_many_units_share_a_card_as_its_memory_and_the_cores_allow() -> None:
    assert lanes(16, 80 * GB) == 8
    assert lanes(4, 24 * GB) == 4
    assert lanes(16, 8 * GB) == 2
    assert lanes(3, 80 * GB) == 3
    assert lanes(1, 80 * GB) == 1
    assert lanes(16, 2 * GB) == 1
    assert lanes(16, 0) == 1


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
