"""The cloud as COPC: read back with laspy, whole, by bounds and by resolution."""

from __future__ import annotations

from pathlib import Path

import laspy
import numpy as np
import pytest
from numpy.typing import NDArray

from e2e3d.data.dense import PointCloud
from e2e3d.outputs.tiling.copc import write_copc
from e2e3d.outputs.tiling.point_octree import LEAF_POINTS, octree_nodes

COUNT = 120_000


def cloud_of(points: NDArray[np.float32], footprint: float) -> PointCloud:
    draw = np.random.default_rng(5)
    count = len(points)
    return PointCloud(
        points,
        np.zeros((count, 3), np.float32),
        draw.integers(0, 256, (count, 3), dtype=np.uint8),
        draw.random(count, np.float32),
        draw.integers(1, 300, count, dtype=np.uint16),
        np.full(count, footprint, np.float32),
        np.zeros(count + 1, np.int64),
        np.zeros(0, np.int32),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[PointCloud, Path]:
    """A curved sheet, far from the origin."""
    across, along = np.random.default_rng(3).random((2, COUNT))
    points = np.stack([4 * across - 30, 3 * along + 50, np.sin(5 * across)], 1).astype(np.float32)
    cloud = cloud_of(points, 2**-9)
    path = tmp_path_factory.mktemp("copc") / "dense.copc.laz"
    with path.open("wb") as file:
        write_copc(file, cloud)
    return cloud, path


def test_all_points_come_back_exactly(written: tuple[PointCloud, Path]) -> None:
    cloud, path = written
    step = 2.0**-13  # a sixteenth of what a pixel covers
    wanted = np.rint(cloud.points_world / step) * step
    with laspy.CopcReader.open(str(path)) as reader:
        found = reader.query()
    for points in (found, laspy.read(path)):  # as COPC, and as a plain LAZ file
        position = np.stack([points.x, points.y, points.z], 1)
        values = np.stack([points.red, points.green, points.blue, points.intensity, points.user_data], 1)
        own = np.column_stack(
            [
                cloud.colors.astype(np.uint16) * 257,
                np.rint(cloud.confidence * 65535).astype(np.uint16),
                np.minimum(cloud.view_count, 255),
            ]
        )
        both = (np.column_stack([position, values]), np.column_stack([wanted, own]))
        first, second = (rows[np.lexsort(rows.T)] for rows in both)
        assert np.array_equal(first, second)


def test_bounds_and_levels_are_those_asked_for(written: tuple[PointCloud, Path]) -> None:
    cloud, path = written
    low, high = np.array([-29.0, 50.5, -1.0]), np.array([-28.0, 51.5, 1.0])
    with laspy.CopcReader.open(str(path)) as reader:
        part = reader.query(bounds=laspy.copc.Bounds(low, high))
        coarse = reader.query(level=0)
        spacing = reader.copc_info.spacing
        fetched = reader.query(resolution=spacing / 2)
    wanted = np.rint(cloud.points_world * 2.0**13) / 2.0**13
    inside = ((wanted >= low) & (wanted <= high)).all(1)
    assert len(part.x) == inside.sum() > 1000
    position = np.stack([coarse.x, coarse.y, coarse.z], 1)
    cells = np.floor((position - wanted.min(0)) / spacing)
    assert (
        len(np.unique(cells, axis=0))
        == len(cells)
        == len(np.unique(np.floor((wanted - wanted.min(0)) / spacing), axis=0))
    )
    assert len(coarse.x) < len(fetched.x) < COUNT


def test_a_single_point_and_coinciding_ones_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "one.copc.laz"
    for points in (np.array([[1.5, 2.5, -3.0]], np.float32), np.full((50_000, 3), 7.25, np.float32)):
        with path.open("wb") as file:
            write_copc(file, cloud_of(points, 0.01))
        with laspy.CopcReader.open(str(path)) as reader:
            found = reader.query()
        assert np.allclose(np.stack([found.x, found.y, found.z], 1), points, atol=0.01)
        assert len(found.x) == len(points)


def test_nodes_share_no_point_and_lie_in_their_parents() -> None:
    cells = np.random.default_rng(1).integers(0, 1 << 12, (100_000, 3))
    nodes = list(octree_nodes(cells, 12))
    assert np.array_equal(np.sort(np.concatenate([node.points for node in nodes])), np.arange(len(cells)))
    keys = {(node.level, node.x, node.y, node.z) for node in nodes}
    assert len(keys) == len(nodes)
    for node in nodes:
        side = 1 << (12 - node.level)
        assert (cells[node.points] // side == (node.x, node.y, node.z)).all()
        assert node.level == 0 or (node.level - 1, node.x // 2, node.y // 2, node.z // 2) in keys
    parents = {(node.level - 1, node.x // 2, node.y // 2, node.z // 2) for node in nodes}
    leaves = [node for node in nodes if (node.level, node.x, node.y, node.z) not in parents]
    assert max(len(node.points) for node in leaves) <= LEAF_POINTS
