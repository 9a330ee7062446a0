"""Precision, recall and F-score of points against an exact surface (Knapitsch et al., "Tanks and Temples", 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import Mesh

if TYPE_CHECKING:
    import open3d as o3d  # takes a second to import

_ICP_SAMPLE = 200_000
_ICP_REACH = 5.0


@dataclass(frozen=True)
class SurfaceScore:
    """Scores at one distance, which is `threshold` footprints of a pixel."""

    threshold: float
    precision: float
    recall: float

    @property
    def f_score(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-9)


@dataclass(frozen=True)
class ExactSurface:
    """A reference: its mesh, points float [N, 3] on the part that photographs see, and the footprint of a pixel."""

    mesh: Mesh
    points: NDArray[np.float64]
    footprint: float


def f_score(
    points: NDArray[np.floating],
    reference: ExactSurface,
    thresholds: Sequence[float] = (1.0, 2.0, 4.0),
    refine: bool = False,
) -> tuple[SurfaceScore, ...]:
    """Score `points` [N, 3], given in the frame of the reference.

    Precision is the share of points (thinned to one per footprint) near the reference's mesh; recall is the share of
    the reference's points near one of them.

    Args:
        points: the reconstruction, a cloud or samples of a mesh.
        reference: the exact surface.
        thresholds: distances in footprints.
        refine: improve the alignment with ICP first, for points that were aligned by their cameras only.
    """
    cloud = _cloud(points).voxel_down_sample(reference.footprint)
    target = _cloud(reference.points)
    if refine:
        cloud.transform(_icp(cloud, target, _ICP_REACH * reference.footprint))
    to_surface = _to_surface(cloud, reference)
    to_points = np.asarray(target.compute_point_cloud_distance(cloud)) / reference.footprint
    return tuple(SurfaceScore(t, float(np.mean(to_surface < t)), float(np.mean(to_points < t))) for t in thresholds)


def surface_distances(
    points: NDArray[np.floating], reference: ExactSurface, refine: bool = False
) -> NDArray[np.float32]:
    """Distance of each point to the exact surface in footprints, float32 [N]; arguments as for :func:`f_score`."""
    cloud = _cloud(points)
    if refine:
        thinned = cloud.voxel_down_sample(reference.footprint)
        cloud.transform(_icp(thinned, _cloud(reference.points), _ICP_REACH * reference.footprint))
    return _to_surface(cloud, reference)


def surface_samples(mesh: Mesh, count: int = 3_000_000, seed: int = 0) -> NDArray[np.float64]:
    """Points float64 [count, 3] spread evenly over the surface of a mesh."""
    triangles = mesh.vertices_world.astype(np.float64)[mesh.faces]
    edges = triangles[:, 1:] - triangles[:, :1]
    ends = np.cumsum(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1))
    rng = np.random.default_rng(seed)
    face = np.minimum(np.searchsorted(ends, rng.random(count) * ends[-1]), len(ends) - 1)
    u, v = rng.random((2, count))
    u, v = np.where(u + v > 1, (1 - u, 1 - v), (u, v))
    return np.asarray(triangles[face, 0] + u[:, None] * edges[face, 0] + v[:, None] * edges[face, 1])


def _cloud(points: NDArray[np.floating]) -> o3d.geometry.PointCloud:
    import open3d as o3d

    return o3d.geometry.PointCloud(o3d.utility.Vector3dVector(np.asarray(points, np.float64)))


def _to_surface(cloud: o3d.geometry.PointCloud, reference: ExactSurface) -> NDArray[np.float32]:
    """Distance of each point to the reference's mesh, in footprints."""
    import open3d as o3d

    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(
        o3d.core.Tensor(np.array(reference.mesh.vertices_world, np.float32)),
        o3d.core.Tensor(reference.mesh.faces.astype(np.uint32)),
    )
    distances = caster.compute_distance(o3d.core.Tensor(np.asarray(cloud.points, np.float32))).numpy()
    return np.asarray(distances / np.float32(reference.footprint))


def _icp(cloud: o3d.geometry.PointCloud, target: o3d.geometry.PointCloud, reach: float) -> NDArray[np.float64]:
    """The similarity [4, 4] that ICP finds from an evenly spread sample."""
    import open3d as o3d

    step = max(1, len(cloud.points) // _ICP_SAMPLE)
    sample = cloud.uniform_down_sample(step)
    registration = o3d.pipelines.registration
    method = registration.TransformationEstimationPointToPoint(with_scaling=True)
    return np.asarray(registration.registration_icp(sample, target, reach, np.eye(4), method).transformation)
