"""Print and plot precision against confidence of a cloud: whether its confidence means something.

usage: python benchmarks/confidence.py OUT TWIN PLOT.svg

OUT is a result folder, TWIN the set with the exact surface that its photographs show.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

BINS = 10
LEAST = 0.4  # where the axes of the plot begin
SIDE_PX, MARGIN_PX = 360, 56
COLORS = {1: "#c2410c", 2: "#1d4ed8", 4: "#15803d"}  # by limit in pixels


def main() -> None:
    """One line for each tenth of the points, the least confident first."""
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    bins = precision_by_confidence(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(table(bins)))
    Path(sys.argv[3]).write_text(plot(bins))


def precision_by_confidence(out: Path, twin: Path) -> list[dict[str, float]]:
    """For each tenth of the points by confidence: its limits and mean, and the share within 1, 2 and 4 pixels."""
    import open3d as o3d

    from e2e3d.ops.evaluation.camera_errors import align_cameras
    from e2e3d.ops.evaluation.surface import surface_distances
    from e2e3d.outputs.evaluation.references import read_cameras, read_surface

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
            "mean": round(float(confidence[part].mean()), 3),
            **{f"precision_{t}": round(float((distances[part] < t).mean()), 3) for t in COLORS},
        }
        for part in np.array_split(order, BINS)
    ]


def table(bins: list[dict[str, float]]) -> list[str]:
    """The bins as lines of Markdown."""
    lines = ["| confidence | within 1 pixel | 2 | 4 |", "|---|---|---|---|"]
    for one in bins:
        shares = " | ".join(f"{one[f'precision_{t}']:.3f}" for t in COLORS)
        lines.append(f"| {one['from']:.3f} to {one['to']:.3f} | {shares} |")
    return lines


def plot(bins: list[dict[str, float]]) -> str:
    """The bins as a picture (SVG): precision over mean confidence, and the line where both are equal."""
    whole = SIDE_PX + 2 * MARGIN_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        "<style>text { font-size: 13px }</style>",
        f'<path d="{_path([(LEAST, LEAST), (1, 1)])}" stroke="#999" stroke-dasharray="4"/>',
    ]
    for tick in np.arange(LEAST, 1.01, 0.1):
        (x, low), (left, y) = _place(tick, LEAST), _place(LEAST, tick)
        parts.append(
            f'<path d="{_path([(tick, LEAST), (tick, 1)])} {_path([(LEAST, tick), (1, tick)])}" stroke="#eee"/>'
        )
        parts.append(f'<text x="{x:.0f}" y="{low + 18:.0f}" text-anchor="middle">{tick:.1f}</text>')
        parts.append(f'<text x="{left - 8:.0f}" y="{y + 4:.0f}" text-anchor="end">{tick:.1f}</text>')
    for row, (limit, color) in enumerate(COLORS.items()):
        points = [(one["mean"], one[f"precision_{limit}"]) for one in bins]
        parts.append(f'<path d="{_path(points)}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>' for x, y in (_place(*p) for p in points)
        ]
        label = f"within {limit} pixel{'s' if limit > 1 else ''}"
        parts.append(f'<text x="{whole - MARGIN_PX - 110}" y="{whole - 120 + 18 * row}" fill="{color}">{label}</text>')
    parts.append(f'<text x="{whole / 2}" y="{whole - 14}" text-anchor="middle">confidence, mean of a tenth</text>')
    parts.append(f'<text x="{MARGIN_PX}" y="{MARGIN_PX - 16}">share of the points so near to the exact surface</text>')
    return "\n".join([*parts, "</svg>", ""])


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in (_place(*point) for point in points))


def _place(confidence: float, precision: float) -> tuple[float, float]:
    """Pixels to the right and down."""
    scale = SIDE_PX / (1 - LEAST)
    return MARGIN_PX + (confidence - LEAST) * scale, MARGIN_PX + (1 - precision) * scale


if __name__ == "__main__":
    main()
