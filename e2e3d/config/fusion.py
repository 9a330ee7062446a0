"""Settings of fusion."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds
from e2e3d.config.workload import KERNELS_BYTES, POINT_BYTES, SURFACE_BYTES, Cost, Workload, resident_bytes


@dataclass(frozen=True)
class FusionConfig:
    """When depths agree, and when agreement is enough.

    Attributes:
        max_depth_difference: relative to the depth; at flat angles as much as it changes from one pixel to the next.
        max_reprojection_px: distance in the reference view between the point and the neighbour's surface point.
        max_normal_deg: angle between the normals.
        min_views: depth maps that must agree, the reference included.
        min_evidence: sum of confidences (the reference's own, plus the neighbours' times their agreement).
        density: points per pixel of the finest view, about: so many of the finest agreeing views emit theirs, and more
            where the surface is seen at flat angles, since pixels are long there.
    """

    max_depth_difference: float = bounded(0.01, 1e-05, 1)
    max_reprojection_px: float = bounded(2.0, 0.01, 100)
    max_normal_deg: float = bounded(50.0, 0.1, 180)
    min_views: int = bounded(2, 1, 32)
    min_evidence: float = bounded(0.4, 0, 100)
    density: int = bounded(3, 1, 100)

    def __post_init__(self) -> None:
        check_bounds(self, "fusion")


BLOCK_PX = 12_000_000
"""Pixels of the views that one block makes points for."""
HELD_PX = 25_000_000
"""Pixels of the views that a unit holds ready."""
_MOST_VIEWS = 8
_POINTS_A_PIXEL = 0.55  # of a facade that fills the photographs; fewer where an object fills a part
_USUAL_DENSITY = 3


def views_a_block(size_px: int) -> int:
    """How many views of `size_px` pixels one block takes, 1 to 8: the larger they are, the fewer, for the memory."""
    return max(1, min(_MOST_VIEWS, BLOCK_PX // size_px))


def points_of(views: int, view_mp: float, config: FusionConfig) -> float:
    """About how many points so many views of that size give at most."""
    return _POINTS_A_PIXEL * 1e6 * views * view_mp * config.density / _USUAL_DENSITY


def fusion_cost(work: Workload, config: FusionConfig) -> Cost:
    """Of the points of each block of views; in a unit, `work.photos` are its views with their neighbours."""
    owned = min(work.photos, views_a_block(max(1, round(1e6 * work.view_mp))))
    held_mp = min(work.photos * work.view_mp, HELD_PX / 1e6 + work.view_mp)
    points = points_of(owned, work.view_mp, config)
    return Cost(
        memory_bytes=KERNELS_BYTES + 33e6 * held_mp + 40e6 * work.view_mp + 3 * POINT_BYTES * points,
        cpu_s=1.7 * work.photos * work.view_mp,
        disk_bytes=POINT_BYTES * work.points,
    )


def merge_cost(work: Workload, config: object) -> Cost:
    """Of joining the points of all blocks."""
    return Cost(
        memory_bytes=SURFACE_BYTES + resident_bytes(work) + POINT_BYTES * work.points,
        cpu_s=0.09e-6 * work.points,
        parallel=False,
        alone=True,
        disk_bytes=POINT_BYTES * work.points,
    )
