"""From fused points to a clean mesh: coarse Poisson surface, trimmed, refined on points and photographs, decimated."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from e2e3d.config.mesh import MeshConfig
from e2e3d.data.dense import DepthMap, PointCloud, View
from e2e3d.data.mesh import Mesh
from e2e3d.errors import ReconstructionError
from e2e3d.ops.fusion.height_field import looks_down, with_filled_heights
from e2e3d.ops.mesh.mesh_photometric import RefineRules, refine_vertices
from e2e3d.ops.mesh.mesh_points import (
    has_neighbours,
    pixel_stretch,
    take_points,
    triangulation_angles,
    well_triangulated,
)
from e2e3d.ops.mesh.mesh_refine import colors_from_points, project_to_points
from e2e3d.ops.mesh.mesh_topology import drop_unused, face_areas, make_manifold, subdivide, vertex_normals
from e2e3d.ops.mesh.mesh_trim import faces_view, large_components, look_at_vertices, near_components, supported_faces
from e2e3d.ops.mesh.poisson import MIN_POINTS, occupied_cells, poisson_surface
from e2e3d.ops.poses import centres_of

Floats = NDArray[np.float32]
Faces = NDArray[np.int32]

_MAX_REFINED_FACES = 4_000_000
_COARSE, _WIDEST = 0.8, 2.0  # a coarse surface has that share of the faces wanted, with cells at most so much wider
_FACES_A_CELL = 2
_EDGES = (0.01, 0.0001)  # lengths of an edge for which decimation is exact, and for which it always ends
_REACH, _REACH_IN_VIEW = 0.5, 1.5  # cells from a point to the surface; the second where views look at it
_WIDER_IN_VIEW = 3  # holes of a surface that views look at may be so much wider than those of one that is hidden
_USUAL_SIDE_PX = 960  # of a view; in larger ones holes and gaps between points are as much wider in pixels
_MOST_POINTS = 12_000_000  # what the memory is bounded by; about ten for each vertex of the largest surface
_SEED = 0
_NEIGHBOURS, _NEIGHBOUR_RADIUS = 6, 3.0  # a point has so many others within so many footprints


def build_mesh(
    cloud: PointCloud, observations: Sequence[tuple[View, DepthMap]], rules: MeshConfig, threads: int
) -> Mesh:
    """Build the surface of a cloud.

    Args:
        cloud: the fused points.
        rules: how to build.
        threads: how many threads to use.
        observations: views with their depth, loaded when they are asked for, more than once.

    Raises:
        ReconstructionError: `too-few-points`, or `no-surface` if nothing remains after trimming.
    """
    laid = _lay(cloud, observations, rules)
    cloud, tree, cell, wanted_cell = laid.cloud, laid.tree, laid.cell, laid.wanted_cell
    vertices, faces = _decide(laid, observations, rules, threads).kept_surface()
    if not len(faces):
        raise ReconstructionError(
            "no-surface",
            "The measured points are too scattered to form a surface.",
            "Take more photographs with more overlap, or lower mesh.island_px and raise mesh.support_px.",
        )
    if (cell > wanted_cell or len(faces) < rules.max_faces) and 4 * len(faces) <= _MAX_REFINED_FACES:
        vertices, faces = subdivide(vertices, faces)
    vertices = project_to_points(vertices, vertex_normals(vertices, faces), cloud, tree, rules.smoothing_px, threads)
    if rules.photo_steps:
        load_views = [partial(_view, observations, i) for i in range(len(observations))]
        refinement = RefineRules(steps=rules.photo_steps, smoothness=rules.photo_smoothness)
        vertices = refine_vertices(vertices, faces, load_views, refinement)
    vertices, faces = make_manifold(*decimate(vertices, faces, rules.max_faces))
    return Mesh(vertices, colors_from_points(vertices, cloud, tree, threads), faces)


@dataclass(frozen=True)
class SurfaceDecision:
    """A coarse surface, closed as it was laid through the points, and what of it is kept.

    Attributes:
        vertices_world: float32 [V, 3]; `faces` int32 [F, 3].
        supported: bool [V], vertices near points; `void` bool [V], those in space that was seen through.
        backed: bool [F], faces between supported vertices, and those that close a hole between such.
        kept: bool [F], backed faces but for those of small or far islands.
    """

    vertices_world: Floats
    faces: Faces
    supported: NDArray[np.bool_]
    void: NDArray[np.bool_]
    backed: NDArray[np.bool_]
    kept: NDArray[np.bool_]

    def kept_surface(self) -> tuple[Floats, Faces]:
        """Vertices and faces of what is kept."""
        return drop_unused(self.vertices_world, self.faces[self.kept])


def decide_surface(
    cloud: PointCloud, observations: Sequence[tuple[View, DepthMap]], rules: MeshConfig, threads: int
) -> SurfaceDecision:
    """What :func:`build_mesh` decides before it refines the surface; arguments as there."""
    return _decide(_lay(cloud, observations, rules), observations, rules, threads)


@dataclass(frozen=True)
class _Laid:
    """A closed surface through the points that are built from, with cells of width `cell`, where `wanted_cell` was."""

    cameras: _Cameras
    cloud: PointCloud
    tree: cKDTree
    vertices: Floats
    faces: Faces
    cell: float
    wanted_cell: float


def _lay(cloud: PointCloud, observations: Sequence[tuple[View, DepthMap]], rules: MeshConfig) -> _Laid:
    cameras = _cameras(observations)
    cloud = _points_to_build_from(cloud, cameras, rules)
    wanted_cell = rules.cell_px * float(np.median(cloud.footprint)) if len(cloud.footprint) else 1.0
    if looks_down(cameras.poses):
        cloud = with_filled_heights(cloud, (view for view, _ in observations), wanted_cell)
    with ThreadPoolExecutor(1) as side:
        # On another core: the coarse surface takes only one. A balanced tree would take twice as long to grow.
        growing = side.submit(cKDTree, cloud.points_world, balanced_tree=False)
        vertices, faces, cell = poisson_surface(cloud, _affordable(wanted_cell, cloud, rules.max_faces))
        return _Laid(cameras, cloud, growing.result(), vertices, faces, cell, wanted_cell)


def _affordable(cell: float, cloud: PointCloud, max_faces: int) -> float:
    """`cell`, or wider where its surface would have far more faces than are wanted.

    A coarser one with somewhat fewer, subdivided and brought onto the points, is as exact, and takes less time. Where
    too many are wanted for it to be subdivided, it stays as fine as `cell`.
    """
    if len(cloud.points_world) < MIN_POINTS:
        return cell
    coarse, faces = _COARSE * max_faces, _FACES_A_CELL * occupied_cells(cloud.points_world, cell)
    if faces <= 2 * coarse or 4 * coarse > _MAX_REFINED_FACES:
        return cell
    return cell * min(_WIDEST, float(np.sqrt(faces / coarse)))


def _view(observations: Sequence[tuple[View, DepthMap]], index: int) -> View:
    return observations[index][0]


def _points_to_build_from(cloud: PointCloud, cameras: _Cameras, rules: MeshConfig) -> PointCloud:
    """The points to build from: see :mod:`e2e3d.ops.mesh.mesh_points`. Of very many, some drawn with a fixed seed."""
    count = len(cloud.points_world)
    if count < MIN_POINTS:
        return cloud
    share = min(1.0, _MOST_POINTS / count)
    if share < 1:
        cloud = take_points(cloud, np.random.default_rng(_SEED).random(count, np.float32) < share)
    angles = triangulation_angles(cloud, cameras.centers_world, cameras.images)
    keep = well_triangulated(cloud, angles, rules.max_error_ratio)
    neighbours = max(1, round(share * _NEIGHBOURS))
    keep[keep] = has_neighbours(cloud.points_world[keep], cloud.footprint[keep], neighbours, _NEIGHBOUR_RADIUS)
    return take_points(cloud, keep)


@dataclass(frozen=True)
class _Cameras:
    """Of the views: `poses` cam_from_world [C, 3, 4], the `images` that they took [C], and their longest side."""

    poses: NDArray[np.float64]
    images: NDArray[np.int32]
    side_px: int

    @property
    def centers_world(self) -> NDArray[np.float64]:
        """[C, 3]."""
        return centres_of(self.poses)


def _cameras(observations: Sequence[tuple[View, DepthMap]]) -> _Cameras:
    """The cameras of views, which are loaded one after another."""
    found = [(view.cam_from_world, view.image_index, max(view.image.shape[:2])) for view, _ in observations]
    poses = np.array([pose for pose, _, _ in found], np.float64).reshape(-1, 3, 4)
    images = np.array([image for _, image, _ in found], np.int32)
    return _Cameras(poses, images, max((side_px for _, _, side_px in found), default=0))


def decimate(vertices: Floats, faces: Faces, max_faces: int) -> tuple[Floats, Faces]:
    """Reduce to at most `max_faces` by quadric error (Garland and Heckbert, SIGGRAPH 1997).

    The library's limits of the error are absolute, and it stops at the last one, however many faces are left. So the
    surface is brought to the size for which these go from a hundredth of an edge to a few edges, whatever its unit.
    """
    if len(faces) <= max_faces:
        return vertices, faces
    import fast_simplification

    edge = float(np.median(np.linalg.norm(vertices[faces[:, 0]] - vertices[faces[:, 1]], axis=1)))
    for size in _EDGES:
        scale = np.float32(size / edge)
        scaled, fewer = fast_simplification.simplify(vertices * scale, faces, target_count=max_faces, agg=3)
        if len(fewer) <= max_faces:
            break
    return np.asarray(scaled, np.float32) / scale, np.asarray(fewer, np.int32)


def _decide(
    laid: _Laid, observations: Sequence[tuple[View, DepthMap]], rules: MeshConfig, threads: int
) -> SurfaceDecision:
    """Drop what no data backs: see :func:`e2e3d.ops.mesh.mesh_trim.supported_faces`; then small islands.

    A surface with cells of width `cell` passes the points at up to half a cell where its relief is finer, and at more
    where they are scattered, as in foliage. At flat angles points are as far apart as pixels are long there; between
    them the depth maps say where the surface is.
    """
    vertices, faces, cloud, cameras = laid.vertices, laid.faces, laid.cloud, laid.cameras
    distance, nearest = laid.tree.query(vertices, 1, workers=threads)
    footprint = cloud.footprint[nearest].astype(np.float64)
    normals = vertex_normals(vertices, faces)
    seen, views_through, views_free, views_on = np.zeros((4, len(vertices)), np.int32)
    for view, depth_map in observations:
        sight = look_at_vertices(vertices, view, depth_map, margin=0.02, near_px=rules.support_px)
        facing = faces_view(vertices, normals, view)
        seen += sight.through
        views_through += sight.surely
        views_free += sight.free & facing
        views_on += sight.on & facing
    in_view = (views_free >= rules.void_views) & (views_through == 0)
    wider = max(1.0, cameras.side_px / _USUAL_SIDE_PX)
    reach = laid.cell * np.where(in_view, _REACH_IN_VIEW * wider, _REACH)
    supported = distance <= np.maximum(rules.support_px * footprint, reach)
    stretch = pixel_stretch(cloud, cameras.centers_world, cameras.images)[nearest]
    within_pixels = distance <= rules.support_px * footprint * stretch
    supported |= within_pixels & (views_on >= rules.void_views) & (views_through == 0)
    if looks_down(cameras.poses):
        views_through[:], seen[:] = 0, 0  # below what a survey sees through, as leaves, is no empty space
    void = ~supported & (views_through >= rules.void_views)
    hole = rules.hole_px * wider * footprint * np.where(views_free >= rules.void_views, _WIDER_IN_VIEW, 1)
    backed = supported_faces(faces, face_areas(vertices, faces), supported, void, hole**2, seen > 0)
    kept = _without_islands(vertices, faces, backed, footprint, supported, rules)
    return SurfaceDecision(vertices, faces, supported, void, backed, kept)


def _without_islands(
    vertices: Floats,
    faces: Faces,
    backed: NDArray[np.bool_],
    footprint: NDArray[np.float64],
    supported: NDArray[np.bool_],
    rules: MeshConfig,
) -> NDArray[np.bool_]:
    """Which faces [F] are backed and belong to no small or far island."""
    index = np.flatnonzero(backed)
    faces = faces[index]
    pixels = face_areas(vertices, faces) / footprint[faces].mean(1) ** 2 * supported[faces].all(1)
    large = large_components(faces, pixels, rules.island_px**2, rules.island_share)
    index, faces, pixels = index[large], faces[large], pixels[large]
    near = near_components(vertices, faces, pixels, rules.island_share, rules.island_near)
    kept = np.zeros_like(backed)
    kept[index[near]] = True
    return kept
