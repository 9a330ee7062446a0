"""A closed surface through an oriented point cloud: screened Poisson (Kazhdan and Hoppe, TOG 2013), by Open3D."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import PointCloud
from e2e3d.errors import ReconstructionError
from e2e3d.ops.fusion.cells import cell_numbers

Floats = NDArray[np.float32]
Faces = NDArray[np.int32]

MIN_POINTS = 200
_DEEPEST, _SHALLOWEST = 13, 5
_SAMPLES_A_CELL = 2.0  # on average; with more, single wrong points weigh as much as surface that many views measured
_MOST_CELLS = 2_000_000  # with points, of the finest: 4 million faces, about 4 GB
_SEED = 0
_BOX = 1.1  # the octree is at least this much larger than the points


def octree_depth(extent: float, cell: float) -> int:
    """Depth of the smallest octree around points of `extent` whose finest cells are `cell` wide (same unit)."""
    return int(np.clip(np.ceil(np.log2(_BOX * extent / cell)), _SHALLOWEST, _DEEPEST))


def occupied_cells(points: Floats, size: float) -> int:
    """How many cells of a grid with cells of `size` hold points [N, 3]."""
    return len(np.unique(cell_numbers(points, size)[0]))


def poisson_surface(cloud: PointCloud, cell: float) -> tuple[Floats, Faces, float]:
    """Vertices [V, 3] and faces [F, 3] of the surface, and the width of its cells in model units.

    Cells are `cell` wide, in very large clouds as wide as bounds the memory; there are about two faces for each that
    holds points. The octree is as much larger than the points as makes its cells so wide: the time does not jump where
    the extent passes a power of two.

    A few points a cell are taken, by chance with a fixed seed. The octree is deep where they are dense, so the choice
    must not even them out.

    Runs on one thread: with more, Open3D's sums depend on their order, and so would the mesh.
    The surface goes on where there are no points, and ends only at the octree's border: trim it.

    Raises:
        ReconstructionError: `too-few-points` if the cloud cannot carry a surface.
    """
    count = len(cloud.points_world)
    if count < MIN_POINTS:
        raise ReconstructionError(
            "too-few-points",
            f"Only {count} surface points could be measured; a surface needs at least {MIN_POINTS}.",
            "Take more photographs that overlap by two thirds, and avoid blank, shiny or transparent surfaces.",
        )
    import open3d as o3d  # slow to import, and only needed here

    extent = float(np.ptp(cloud.points_world, axis=0).max())
    finest, widest = (_BOX * extent / 2**depth for depth in (_DEEPEST, _SHALLOWEST))
    cell = float(np.clip(cell, finest, widest))
    while (cells := occupied_cells(cloud.points_world, cell)) > _MOST_CELLS and cell < widest:
        cell = min(cell * 1.1 * float(np.sqrt(cells / _MOST_CELLS)), widest)
    taken = np.random.default_rng(_SEED).random(count) < _SAMPLES_A_CELL * cells / count
    positions, normals = cloud.points_world[taken], cloud.normals_world[taken]
    points = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(positions.astype(np.float64)))
    points.normals = o3d.utility.Vector3dVector(normals.astype(np.float64))
    depth = octree_depth(extent, cell)
    box = max(_BOX, cell * 2**depth / float(np.ptp(positions, axis=0).max()))
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        mesh, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(points, depth=depth, scale=box, n_threads=1)
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.triangles)
    return vertices.astype(np.float32), faces.astype(np.int32), cell
