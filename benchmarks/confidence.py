"""Print precision against confidence of a cloud: whether its confidence means something.

usage: python benchmarks/confidence.py OUT TWIN

OUT is a result folder, TWIN the set with the exact surface that its photographs show.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

BINS = 10


def main() -> None:
    """One line for each tenth of the points, the least confident first."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print("\n".join(table(precision_by_confidence(Path(sys.argv[1]), Path(sys.argv[2])))))


def precision_by_confidence(out: Path, twin: Path) -> list[dict[str, float]]:
    """For each tenth of the points by confidence: the limits of confidence, and the share within 1, 2 and 4 pixels."""
    import open3d as o3d

    from e2e3d.jobs.references import read_cameras, read_surface
    from e2e3d.ops.evaluation.cameras import align_cameras
    from e2e3d.ops.evaluation.surface import surface_distances

    cloud = o3d.t.io.read_point_cloud(str(out / "dense.ply"))
    confidence = cloud.point["confidence"].numpy().ravel()
    similarity = align_cameras(read_cameras(out), read_cameras(twin / "gt_model"))
    reference = read_surface(twin)
    distances = surface_distances(similarity.apply(cloud.point.positions.numpy()), reference, refine=True)
    order = np.argsort(confidence, kind="stable")
    return [
        {
            "from": round(float(confidence[part[0]]), 3),
            "to": round(float(confidence[part[-1]]), 3),
            **{f"precision_{t}": round(float((distances[part] < t).mean()), 3) for t in (1, 2, 4)},
        }
        for part in np.array_split(order, BINS)
    ]


def table(bins: list[dict[str, float]]) -> list[str]:
    """The bins as lines of Markdown."""
    lines = ["| confidence | within 1 pixel | 2 | 4 |", "|---|---|---|---|"]
    for one in bins:
        shares = " | ".join(f"{one[f'precision_{t}']:.3f}" for t in (1, 2, 4))
        lines.append(f"| {one['from']:.3f} to {one['to']:.3f} | {shares} |")
    return lines


if __name__ == "__main__":
    main()
