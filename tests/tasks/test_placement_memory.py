"""Units are placed by the memory that their stage declares for their inputs, and refused where no machine has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e2e3d.config.mesh import MeshConfig
from e2e3d.data.dense import DepthMap, PointCloud
from e2e3d.data.ref import Ref
from e2e3d.data.stats import UnitStats
from e2e3d.errors import MachineError
from e2e3d.ops.fusion.point_fusion import empty_cloud
from e2e3d.stages import mesh
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.cluster_state import Cluster, Machine
from e2e3d.tasks.placement import StoredSizes, require_memory, reserved_bytes
from tests.pipeline.toy_stages import HOLD, ToyConfig, ToyInputs, held

GB = 10**9
MACHINE = Machine(cpus=2, gpus=0, memory_bytes=8 * GB, object_bytes=GB)
CLUSTER = Cluster((MACHINE,), started_here=True)
STATS = UnitStats(0.0, 0.0, 0, "here")


def test_memory_is_set_aside_in_steps_so_that_units_of_about_one_size_share_a_queue() -> None:
    sizes = {reserved_bytes(need, CLUSTER) for need in range(1_000_000_000, 1_070_000_000, 1_000_000)}
    assert sizes == {1 << 30}
    assert reserved_bytes(8 * GB - 1, CLUSTER) == 8 * GB


def test_what_no_machine_has_is_refused_with_the_stage_the_need_and_a_way_on() -> None:
    require_memory("mesh", 8 * GB, CLUSTER)
    with pytest.raises(MachineError) as caught:
        require_memory("mesh", 10_900_000_000, CLUSTER)
    assert caught.value.code == "too-little-memory"
    assert caught.value.message == (
        "The stage mesh needs about 10.9 GB of memory for these photographs, and this machine has 8.0 GB free."
    )
    assert "preset" in caught.value.hint
    assert "preview, low" in caught.value.hint
    with pytest.raises(MachineError, match="the largest machine of the cluster has"):
        require_memory("mesh", 10_900_000_000, Cluster((MACHINE,) * 3, started_here=False))


def stored_mesh_inputs(store: ArtifactStore, points: int) -> mesh.MeshInputs:
    """A cloud with seven views a point and the depth of a view of 120 x 80 pixels, in a store."""
    cloud = PointCloud(
        points_world=np.zeros((points, 3), np.float32),
        normals_world=np.zeros((points, 3), np.float32),
        colors=np.zeros((points, 3), np.uint8),
        confidence=np.zeros(points, np.float32),
        view_count=np.full(points, 7, np.uint16),
        footprint=np.zeros(points, np.float32),
        view_offsets=np.arange(points + 1, dtype=np.int64) * 7,
        view_indices=np.zeros(7 * points, np.int32),
    )
    depth = DepthMap(np.zeros((80, 120), np.float32), np.zeros((80, 120, 3), np.float32), np.zeros((80, 120)))
    for key, record in (("merge/aa", cloud), ("consistency/bb", replace(depth, confidence=depth.depth))):
        store.put(key, record, STATS)
    return mesh.MeshInputs(Ref("merge/aa", PointCloud), (), (Ref("consistency/bb", DepthMap),))


def test_the_sizes_of_inputs_are_known_without_loading_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactStore(str(tmp_path))
    inputs = stored_mesh_inputs(store, 50_000)
    monkeypatch.setattr(store, "get", None)  # nothing may be read
    work = mesh.STAGE.workload(inputs, StoredSizes(store))
    assert work.points == pytest.approx(50_000, rel=0.1)
    assert work.view_mp == pytest.approx(120 * 80 / 1e6, rel=0.1)


def test_a_larger_cloud_asks_for_more_memory(tmp_path: Path) -> None:
    needs = []
    for points in (1000, 400_000):
        store = ArtifactStore(str(tmp_path / str(points)))
        needs.append(mesh.STAGE.memory_bytes(stored_mesh_inputs(store, points), MeshConfig(), StoredSizes(store)))
    assert needs[1] - needs[0] > 20e6


def test_a_cloud_without_points_is_no_reason_to_fail(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    store.put("merge/aa", empty_cloud(), STATS)
    unit = mesh.MeshInputs(Ref("merge/aa", PointCloud), (), ())
    assert mesh.STAGE.memory_bytes(unit, MeshConfig(), StoredSizes(store)) > 0


@pytest.fixture
def small_machine() -> Iterator[None]:
    """A private Ray that believes in two cores and 3 GB."""
    import ray

    ray.init(address="local", num_cpus=2, _memory=3 * GB, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
def test_big_units_never_run_side_by_side_where_memory_is_short(small_machine: None, tmp_path: Path) -> None:
    from e2e3d.tasks.executor import RayExecutor

    config = ToyConfig(folder=str(tmp_path))
    with RayExecutor(ArtifactStore(str(tmp_path / "store")), device="cpu") as run:
        run.map(HOLD, [ToyInputs(start, np.array([1.8, 1])) for start in range(3)], config)
        assert held(tmp_path) == 1
        run.map(HOLD, [ToyInputs(start, np.array([0.9, 2])) for start in range(10, 14)], config)
        assert held(tmp_path) == 2


@pytest.mark.slow
def test_a_unit_that_fits_nowhere_is_refused_before_it_is_computed(small_machine: None, tmp_path: Path) -> None:
    from e2e3d.tasks.executor import RayExecutor

    refused = pytest.raises(MachineError, match=r"toy-hold needs about 5\.0 GB")
    with RayExecutor(ArtifactStore(str(tmp_path / "store")), device="cpu") as run, refused as caught:
        run.map(HOLD, [ToyInputs(0, np.array([5.0, 1]))], ToyConfig(folder=str(tmp_path)))
    assert caught.value.code == "too-little-memory"
    assert held(tmp_path) == 0
