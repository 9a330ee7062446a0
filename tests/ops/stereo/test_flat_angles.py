"""Ground before a facade, seen at 3 to 15 degrees: in the points, in the mesh, and through all passes of stereo."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from e2e3d.config.fusion import FusionConfig
from e2e3d.config.mesh import MeshConfig
from e2e3d.data.dense import DepthMap, PointCloud, View
from e2e3d.data.mesh import Mesh
from e2e3d.data.ref import Ref
from e2e3d.ops.fusion.fusion_view import prepare_view
from e2e3d.ops.fusion.point_fusion import fuse_view, merge_clouds
from e2e3d.ops.mesh.meshing import build_mesh
from e2e3d.stages import consistency, depth
from e2e3d.stages.stage import RunContext
from tests.ops.street_scene import exact_street_maps, ground_places, heights_at, street_views

COUNT, WIDTH, HEIGHT = 5, 360, 270


def fused(views: list[View], maps: list[DepthMap]) -> PointCloud:
    prepared = [prepare_view(*pair) for pair in zip(views, maps, strict=True)]
    return merge_clouds([fuse_view(a, [b for b in prepared if b is not a], FusionConfig()) for a in prepared])


def meshed(views: list[View], maps: list[DepthMap]) -> Mesh:
    rules = MeshConfig(max_faces=100_000)
    return build_mesh(fused(views, maps), list(zip(views, maps, strict=True)), rules, 2)


@pytest.fixture(scope="module")
def views() -> list[View]:
    return street_views(COUNT, WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def exact(views: list[View]) -> list[DepthMap]:
    return exact_street_maps(COUNT, WIDTH, HEIGHT)


@pytest.mark.slow
def test_exact_depths_at_three_degrees_agree(views: list[View], exact: list[DepthMap]) -> None:
    places, footprint = ground_places(views, 3.0)
    distance, _ = cKDTree(fused(views, exact).points_world).query(places)
    stretch = 1 / np.sin(np.radians(3.0))
    assert np.mean(distance < 0.6 * stretch * footprint) > 0.99


def test_the_mesh_closes_the_gaps_between_long_pixels(views: list[View], exact: list[DepthMap]) -> None:
    mesh = meshed(views, exact)
    places, footprint = ground_places(views)
    height = heights_at(mesh.vertices_world, mesh.faces, places)
    assert np.mean(np.abs(height) < 2 * footprint) > 0.95


def all_passes(views: list[View]) -> list[DepthMap]:
    refs, context = [Ref.of(view) for view in views], RunContext(threads=2)
    around = [tuple(refs[j] for j in view.sources) for view in views]
    maps = [
        depth.run(depth.DepthInputs(ref, near), depth.DepthConfig(coarsest_px=128), context)
        for ref, near in zip(refs, around, strict=True)
    ]
    for improve in (consistency.refine, consistency.refine, consistency.run):
        found = [Ref.of(one) for one in maps]
        maps = [
            improve(
                consistency.ConsistencyInputs(refs[i], around[i], found[i], tuple(found[j] for j in view.sources)),
                consistency.ConsistencyConfig(),
                context,
            )
            for i, view in enumerate(views)
        ]
    return maps


def share_right(mesh: Mesh, places: NDArray[np.float64], footprint: NDArray[np.float64]) -> float:
    return float(np.mean(np.abs(heights_at(mesh.vertices_world, mesh.faces, places)) < 2 * footprint))


@pytest.mark.slow
def test_ground_that_three_cameras_see_is_in_the_mesh(views: list[View]) -> None:
    assert share_right(meshed(views, all_passes(views)), *ground_places(views)) > 0.9  # 0.6 without planes to try


@pytest.mark.slow
def test_nothing_is_made_of_ground_that_changes_from_view_to_view() -> None:
    views = street_views(COUNT, WIDTH, HEIGHT, changing=True)
    mesh = meshed(views, all_passes(views))
    places, footprint = ground_places(views)
    water = places[:, 0] > 0.5
    assert np.isfinite(heights_at(mesh.vertices_world, mesh.faces, places[water])).mean() < 0.02
    dry = places[:, 0] < -0.5
    assert share_right(mesh, places[dry], footprint[dry]) > 0.7  # 0.79; what lies beside the water goes with it
