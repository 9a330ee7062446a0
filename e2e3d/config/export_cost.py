"""What it takes to write the results of a job, which has no settings of its own."""

from __future__ import annotations

from e2e3d.config.texture import TextureConfig, painted_mp
from e2e3d.config.workload import POINT_BYTES, SURFACE_BYTES, Cost, Workload


def export_cost(work: Workload, config: TextureConfig) -> Cost:
    """Of the files of a finished job and its report, written by the process that drives the run."""
    atlas_mp = painted_mp(work, config)
    return Cost(
        memory_bytes=SURFACE_BYTES + POINT_BYTES * work.points + 300.0 * work.faces + 12e6 * atlas_mp,
        cpu_s=0.3 * work.photos * work.view_mp,
        fixed_s=2.0,
        parallel=False,
        alone=True,
        disk_bytes=27.0 * work.points + 200.0 * work.faces + 0.6e6 * atlas_mp,
    )
