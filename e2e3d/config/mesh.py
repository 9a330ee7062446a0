"""Settings of the mesh."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds
from e2e3d.config.workload import SURFACE_BYTES, Cost, Workload, resident_bytes


@dataclass(frozen=True)
class MeshConfig:
    """How the surface is built. Lengths are in footprints: the size of a pixel on the surface.

    Attributes:
        max_faces: faces of the result, at most.
        max_error_ratio: points whose depth error is more times that of the subject are left out.
        cell_px: width of the finest cell of the coarse surface; up to twice that where far fewer faces are wanted.
        smoothing_px: radius of the weights around a vertex when it is brought onto the points.
        support_px: how far from a point the surface is believed, at least; else half a cell, and one and a half where
            views look at it and none surely sees through.
        hole_px: widest hole that is closed; three times as wide where views look at the closing surface, and wider in
            proportion where the longest side of a view is more than 960 pixels.
        island_px: connected parts with less supported surface than a square of this side are dropped.
        island_share: connected parts with less than this share of all supported surface, in pixels, are dropped.
        island_near: islands farther from larger parts than this share of their diagonal need a larger share of the
            surface: it grows with the square of the distance.
        void_views: how many views must see through a vertex to make it void, and how many must look at it.
        photo_steps: steps of photometric refinement; 0 = none.
        photo_smoothness: weight of the bending of its displacements; less brings out finer relief, and more noise.
    """

    max_faces: int = bounded(1_000_000, 100, 50_000_000)
    max_error_ratio: float = bounded(20.0, 0.1, 10_000)
    cell_px: float = bounded(3.0, 0.5, 100, before="cell")
    smoothing_px: float = bounded(1.5, 0.1, 100, before="smoothing")
    support_px: float = bounded(2.0, 0.1, 100, before="support")
    hole_px: float = bounded(60.0, 0, 10_000, before="hole")
    island_px: float = bounded(40.0, 0, 10_000, before="island")
    island_share: float = bounded(0.003, 0, 1)
    island_near: float = bounded(0.2, 0.001, 100)
    void_views: int = bounded(2, 1, 100)
    photo_steps: int = bounded(0, 0, 20)
    photo_smoothness: float = bounded(30.0, 0.01, 1_000_000)

    def __post_init__(self) -> None:
        check_bounds(self, "mesh")


MOST_POINTS = 12_000_000
"""Points that the surface is built from, at most: by it the memory is bounded."""


def mesh_cost(work: Workload, config: MeshConfig) -> Cost:
    """Of the surface through all points."""
    points, faces = min(work.points, MOST_POINTS), min(work.faces or config.max_faces, config.max_faces)
    tree_and_surface = 60.0 * points + 300.0 * faces
    return Cost(
        memory_bytes=SURFACE_BYTES + 300e6 + resident_bytes(work) + tree_and_surface + 100e6 * work.view_mp,
        cpu_s=1.6 * work.photos * work.view_mp + 60e-6 * config.photo_steps * faces,
        fixed_s=5.0,
        alone=True,
        disk_bytes=18.0 * faces,
    )
