"""Settings of fusion."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds


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
