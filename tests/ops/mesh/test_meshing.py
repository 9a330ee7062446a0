"""Meshes of exact and disturbed clouds: distance to the surface, openness, manifoldness, counts, determinism."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from e2e3d.config.fusion import FusionConfig
from e2e3d.config.mesh import MeshConfig
from e2e3d.data.dense import DepthMap, PointCloud, View
from e2e3d.data.mesh import Mesh
from e2e3d.errors import ReconstructionError
from e2e3d.ops.fusion.fusion_view import prepare_view
from e2e3d.ops.fusion.point_fusion import empty_cloud, fuse_view, merge_clouds
from e2e3d.ops.mesh import meshing, poisson
from e2e3d.ops.mesh.mesh_points import take_points
from e2e3d.ops.mesh.mesh_topology import face_areas, face_components, face_edges
from e2e3d.ops.mesh.mesh_trim import border_edges, look_at_vertices, near_components, supported_faces
from e2e3d.ops.mesh.meshing import _affordable, build_mesh, decimate
from e2e3d.ops.mesh.poisson import occupied_cells, octree_depth, poisson_surface
from tests.ops.exact_views import FLOOR_RADIUS, FLOOR_Z, orbit, surface_distance

Scene = tuple[list[View], list[DepthMap], PointCloud]


@pytest.fixture(scope="module")
def scene() -> Scene:
    views, depths = orbit(8)
    prepared = [prepare_view(view, depth) for view, depth in zip(views, depths, strict=True)]
    cloud = merge_clouds([fuse_view(a, [b for b in prepared if b is not a], FusionConfig()) for a in prepared])
    return views, depths, cloud


def build(scene: Scene, rules: MeshConfig | None = None) -> Mesh:
    views, depths, cloud = scene
    return build_mesh(cloud, list(zip(views, depths, strict=True)), rules or MeshConfig(), 1)


@pytest.fixture(scope="module")
def mesh(scene: Scene) -> Mesh:
    return build(scene)


def centres(mesh: Mesh) -> np.ndarray:
    return mesh.vertices_world[mesh.faces].mean(1)


def test_the_mesh_lies_on_the_surface(scene: Scene, mesh: Mesh) -> None:
    distance = surface_distance(centres(mesh)) / np.median(scene[2].footprint)
    areas = face_areas(mesh.vertices_world, mesh.faces)
    assert areas[distance < 0.5].sum() > 0.95 * areas.sum()
    assert distance.max() < 6


def test_the_mesh_covers_what_was_seen(mesh: Mesh) -> None:
    areas = face_areas(mesh.vertices_world, mesh.faces)
    points = centres(mesh)
    cap = (np.linalg.norm(points, axis=1) < 1.03) & (points[:, 2] > 0)
    assert np.isclose(areas[cap].sum(), 2 * np.pi, rtol=0.02)
    ring = (points[:, 2] < FLOOR_Z + 0.03) & (np.hypot(points[:, 0], points[:, 1]) > 1.2)
    assert np.isclose(areas[ring].sum(), np.pi * (FLOOR_RADIUS**2 - 1.2**2), rtol=0.05)


def test_it_stays_open_where_nothing_was_seen(mesh: Mesh) -> None:
    assert border_edges(mesh.faces) > 100
    assert np.hypot(mesh.vertices_world[:, 0], mesh.vertices_world[:, 1]).max() < FLOOR_RADIUS + 0.1
    assert mesh.vertices_world[:, 2].max() < 1.05


def test_faces_look_outwards_and_have_the_colour_of_the_surface(mesh: Mesh) -> None:
    a, b, c = mesh.vertices_world[mesh.faces].swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    points = centres(mesh)
    cap = (np.linalg.norm(points, axis=1) < 1.03) & (points[:, 2] > 0)
    assert ((normals[cap] * points[cap]).sum(1) > 0).mean() > 0.999
    top = mesh.vertices_world[:, 2] > 0.2
    error = np.abs(mesh.colors[top].astype(float) - 255 * (mesh.vertices_world[top] + 1) / 2)
    assert np.median(error) < 4


def test_it_is_manifold_and_in_one_or_two_parts(mesh: Mesh) -> None:
    counts = np.unique(face_edges(mesh.faces), return_counts=True)[1]
    assert counts.max() == 2
    assert face_components(mesh.faces)[0] <= 2
    assert np.array_equal(np.unique(mesh.faces), np.arange(len(mesh.vertices_world)))


def test_face_count_is_kept_and_the_surface_with_it(scene: Scene) -> None:
    small = build(scene, MeshConfig(max_faces=3000))
    assert 2500 < len(small.faces) <= 3000
    distance = surface_distance(centres(small))
    assert np.quantile(distance, 0.95) < np.median(scene[2].footprint)


@pytest.mark.parametrize("unit", [0.001, 1.0, 1000.0])
def test_face_count_is_kept_in_every_unit(unit: float) -> None:
    rng = np.random.default_rng(4)
    ys, xs = np.mgrid[0:80, 0:80]
    heights = 0.8 * rng.standard_normal(xs.shape)  # rough everywhere: no collapse is free of error
    vertices = np.float32(unit) * np.stack([xs, ys, heights], -1).reshape(-1, 3).astype(np.float32)
    corner = (80 * ys + xs)[:-1, :-1].ravel()
    faces = np.concatenate([corner[:, None] + [0, 1, 81], corner[:, None] + [0, 81, 80]]).astype(np.int32)
    fewer = decimate(vertices, faces, 1000)
    assert 900 < len(fewer[1]) <= 1000
    assert np.allclose(np.ptp(fewer[0], axis=0)[:2], 79 * unit, rtol=0.05)


def test_a_surface_through_scattered_points_is_believed(scene: Scene) -> None:
    views, depths, cloud = scene
    rng = np.random.default_rng(5)
    noise = 7 * cloud.footprint[:, None] * rng.standard_normal(cloud.points_world.shape).astype(np.float32)
    mesh = build((views, depths, replace(cloud, points_world=cloud.points_world + noise)))
    points, flat = centres(mesh), mesh.vertices_world * np.float32([1, 1, 0])
    ring = (points[:, 2] < FLOOR_Z + 0.2) & (np.hypot(points[:, 0], points[:, 1]) > 1.2)
    assert face_areas(flat, mesh.faces)[ring].sum() > 0.93 * np.pi * (FLOOR_RADIUS**2 - 1.2**2)


def test_same_input_same_mesh(scene: Scene, mesh: Mesh) -> None:
    again = build(scene)
    assert np.array_equal(again.faces, mesh.faces)
    assert np.array_equal(again.vertices_world, mesh.vertices_world)


def test_clusters_of_outliers_leave_no_islands(scene: Scene) -> None:
    views, depths, cloud = scene
    rng = np.random.default_rng(2)
    around = np.array([[0, 0, 2.5], [2.2, 0, 0.5], [0, -2.5, 1.5]], np.float32).repeat(60, 0)
    points = around + 0.05 * rng.standard_normal(around.shape).astype(np.float32)
    picked = rng.integers(0, len(cloud.points_world), len(points))
    spoilt = replace(
        cloud,
        points_world=np.concatenate([cloud.points_world, points]),
        normals_world=np.concatenate([cloud.normals_world, cloud.normals_world[picked]]),
        colors=np.concatenate([cloud.colors, cloud.colors[picked]]),
        confidence=np.concatenate([cloud.confidence, cloud.confidence[picked]]),
        footprint=np.concatenate([cloud.footprint, cloud.footprint[picked]]),
        view_count=np.concatenate([cloud.view_count, np.full(len(points), 2, np.uint16)]),
        view_offsets=np.concatenate([cloud.view_offsets, cloud.view_offsets[-1] + 2 * np.arange(1, len(points) + 1)]),
        view_indices=np.concatenate([cloud.view_indices, np.tile(np.int32([0, 3]), len(points))]),
    )
    mesh = build((views, depths, spoilt))
    assert surface_distance(centres(mesh)).max() < 0.15


@pytest.mark.parametrize("count", [0, 50])
def test_too_few_points_are_an_error_that_says_what_to_do(scene: Scene, count: int) -> None:
    cloud = replace(
        empty_cloud(),
        points_world=scene[2].points_world[:count],
        normals_world=scene[2].normals_world[:count],
        footprint=scene[2].footprint[:count],
    )
    with pytest.raises(ReconstructionError) as caught:
        build_mesh(cloud, (), MeshConfig(), 1)
    assert caught.value.code == "too-few-points"
    assert caught.value.hint


def test_points_in_front_of_the_depth_are_seen_through(scene: Scene) -> None:
    view, depth_map = scene[0][0], scene[1][0]
    towards = -view.cam_from_world[:, :3].T @ view.cam_from_world[:, 3]
    towards /= np.linalg.norm(towards)
    points = np.outer([0.5, 1.01, 1.5, 9.0], towards).astype(np.float32)
    sight = look_at_vertices(points, view, depth_map, 0.02, 2.0)
    assert sight.through.tolist() == sight.surely.tolist() == [False, False, True, False]
    assert sight.free.tolist() == [False, True, True, False]
    assert sight.on.tolist() == [False, True, False, False]
    doubtful = replace(depth_map, confidence=np.full_like(depth_map.confidence, 0.3))
    sight = look_at_vertices(points, view, doubtful, 0.02, 2.0)
    assert sight.through.tolist() == [False, False, True, False]
    assert not sight.surely.any()


def test_closed_holes_stay_and_open_rims_go() -> None:
    n = 21
    grid = np.arange(n * n).reshape(n, n)
    a, b, c, d = (g.reshape(-1) for g in (grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]))
    faces = np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)]).astype(np.int32)
    y, x = np.divmod(np.arange(n * n), n)
    supported = (x >= 3) & ~((abs(x - 12) <= 2) & (abs(y - 10) <= 2))
    areas = np.full(len(faces), 0.5, np.float32)
    void = np.zeros(n * n, bool)
    centre_x = x[faces].mean(1)

    inside = supported[faces].any(1) == 0

    def kept(hole_area: float, through: np.ndarray) -> np.ndarray:
        return supported_faces(faces, areas, supported, void, np.full(n * n, hole_area), through)

    nowhere = np.zeros(n * n, bool)
    closed = kept(40.0, nowhere)
    assert closed[centre_x > 3].all()
    assert not closed[centre_x < 2].any()
    assert not kept(20.0, nowhere)[inside].any()
    hole = (abs(x - 12) <= 2) & (abs(y - 10) <= 2)
    assert kept(40.0, hole & (x == 10))[centre_x > 3].all()  # a view sees through a sixth of it
    assert not kept(40.0, hole & (x <= 12))[inside].any()
    void[(x == 12) & (y == 10)] = True
    assert not kept(40.0, nowhere)[void[faces].any(1)].any()


def test_islands_must_be_larger_the_farther_they_are() -> None:
    def square(x: float, y: float, side: float) -> np.ndarray:
        steps = np.linspace(0, side, 11)
        return np.stack([*np.meshgrid(x + steps, y + steps), np.zeros((11, 11))], -1).reshape(-1, 3)

    corner = np.add.outer(11 * np.arange(10), np.arange(10)).ravel()
    patch = np.concatenate([np.stack([corner, corner + d, corner + 12], 1) for d in (1, 11)])
    large, large_and_off = square(0, 0, 10), square(-28, 0, 8)
    small_and_near, small_and_off, small_and_far = square(12.7, 0, 1), square(0, 19, 1), square(0, -21, 1)
    squares = [large, small_and_near, small_and_off, small_and_far, large_and_off]
    vertices = np.concatenate(squares).astype(np.float32)
    faces = np.concatenate([patch + 121 * i for i in range(len(squares))]).astype(np.int32)
    kept = near_components(vertices, faces, face_areas(vertices, faces), share=0.003, near=0.2)
    assert kept[::200].tolist() == [True, True, True, False, True]
    assert np.array_equal(kept, np.repeat(kept[::200], 200))


@pytest.mark.parametrize(("extent", "cell", "depth"), [(10.0, 0.1, 7), (10.0, 1e-9, 13), (1.0, 1.0, 5)])
def test_octree_depth(extent: float, cell: float, depth: int) -> None:
    assert octree_depth(extent, cell) == depth


@pytest.fixture(scope="module")
def orbit_cloud() -> PointCloud:
    views, depths = orbit(4)
    prepared = [prepare_view(view, depth) for view, depth in zip(views, depths, strict=True)]
    return merge_clouds([fuse_view(a, [b for b in prepared if b is not a], FusionConfig()) for a in prepared])


def test_cells_are_as_wide_as_asked_for(orbit_cloud: PointCloud) -> None:
    cell = 3 * float(np.median(orbit_cloud.footprint))
    counts = []
    for wanted in cell * np.array([1.0, 1.2, 1.4, 2.0]):
        vertices, _, width = poisson_surface(orbit_cloud, wanted)
        assert width == pytest.approx(wanted)
        near = vertices[surface_distance(vertices) < wanted]
        counts.append(len(near) * wanted**2)
        assert np.median(surface_distance(near)) < float(np.median(orbit_cloud.footprint))
    np.testing.assert_allclose(counts, np.mean(counts), rtol=0.15)  # no jump where the octree gets another level


def test_large_clouds_give_a_coarser_surface(orbit_cloud: PointCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = 3 * float(np.median(orbit_cloud.footprint))
    fine, _, _ = poisson_surface(orbit_cloud, cell)
    most = occupied_cells(orbit_cloud.points_world, cell) // 4
    monkeypatch.setattr(poisson, "_MOST_CELLS", most)
    coarse, _, wider = poisson_surface(orbit_cloud, cell)
    assert 1.8 * cell < wider < 2.5 * cell
    assert occupied_cells(orbit_cloud.points_world, wider) <= most
    assert len(coarse) < 0.4 * len(fine)
    near = coarse[surface_distance(coarse) < wider]
    assert np.median(surface_distance(near)) < float(np.median(orbit_cloud.footprint))


def test_where_few_faces_are_wanted_the_start_is_coarser_but_no_more_than_twice(orbit_cloud: PointCloud) -> None:
    cell = 3 * float(np.median(orbit_cloud.footprint))
    faces = 2 * occupied_cells(orbit_cloud.points_world, cell)
    assert _affordable(cell, orbit_cloud, faces) == cell
    assert _affordable(cell, orbit_cloud, int(faces / 1.59)) == cell
    assert _affordable(cell, orbit_cloud, int(faces / 1.7)) == pytest.approx(cell * np.sqrt(1.7 / 0.8), rel=0.01)
    assert _affordable(cell, orbit_cloud, 100) == 2 * cell
    assert _affordable(cell, orbit_cloud, 1_300_000) == cell


def test_occupied_cells() -> None:
    chance = np.random.default_rng(0)
    points = (chance.integers(0, 10, (5000, 3)) + chance.uniform(0.01, 0.99, (5000, 3))).astype(np.float32)
    points[0], points[1] = 0, 10 - 1e-3
    assert occupied_cells(points, 1.0) == len({tuple(p) for p in np.floor(points).astype(int)})


def test_a_hole_is_closed_however_large_the_photographs_are(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    views, depths, cloud = scene
    radius = 0.25

    def on_floor(points: np.ndarray, radius: float) -> np.ndarray:
        return (np.hypot(points[:, 0], points[:, 1] - 1.7) < radius) & (points[:, 2] < FLOOR_Z + 0.1)

    hole = on_floor(cloud.points_world, radius)
    footprint = float(np.median(cloud.footprint[hole]))
    rules = MeshConfig(hole_px=1.2 * radius / 3 / footprint)  # 0.46 of the area, in view
    shares = []
    for usual_px in (160, 80):
        monkeypatch.setattr(meshing, "_USUAL_SIDE_PX", usual_px)  # the views have 160
        mesh = build((views, depths, take_points(cloud, ~hole)), rules)
        area = face_areas(mesh.vertices_world, mesh.faces)[on_floor(centres(mesh), 0.6 * radius)].sum()
        shares.append(area / (np.pi * (0.6 * radius) ** 2))
    assert shares[0] == 0
    assert np.isclose(shares[1], 1, rtol=0.05)


def test_a_mesh_is_built_from_a_bounded_number_of_points(
    scene: Scene, mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = scene[2]
    most = len(cloud.points_world) // 2
    monkeypatch.setattr(meshing, "_MOST_POINTS", most)
    seen: list[int] = []

    def noted(cloud: PointCloud, cell: float) -> tuple[np.ndarray, np.ndarray, float]:
        seen.append(len(cloud.points_world))
        return poisson_surface(cloud, cell)

    monkeypatch.setattr(meshing, "poisson_surface", noted)
    fewer = build(scene)
    assert 0.9 * most < seen[0] < 1.01 * most
    distance = surface_distance(centres(fewer)) / np.median(cloud.footprint)
    areas = face_areas(fewer.vertices_world, fewer.faces)
    assert areas[distance < 0.5].sum() > 0.95 * areas.sum()
    assert np.isclose(areas.sum(), face_areas(mesh.vertices_world, mesh.faces).sum(), rtol=0.02)
