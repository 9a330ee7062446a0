"""The report's drawings, as inline SVG: colours come from the page's style, so they follow light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Scene
from e2e3d.ops.sfm.viewpoints import camera_centers, subject, up_direction

_SIZE = 480
_MARGIN = 28
_POINTS = 3000
_EDGES = 1500
_LABELLED = 40


def layout_drawings(scene: Scene) -> tuple[str, str]:
    """The cameras and the points they see, from above and from the side."""
    up = up_direction(scene)
    right, ahead = _horizontal_axes(scene, up)
    return (
        _layout(scene, np.stack([right, -ahead]), "Cameras and points seen from above"),
        _layout(scene, np.stack([right, -up]), "Cameras and points seen from the side"),
    )


def match_graph(
    names: Sequence[str], pairs: NDArray[np.int32], counts: NDArray[np.int64], alive: Sequence[bool]
) -> str:
    """Photographs on a circle in input order, joined by lines that are stronger the more matches a pair has.

    Args:
        names: the usable photographs.
        pairs: int32 [P, 2] into `names`.
        counts: int64 [P], verified matches.
        alive: which of the photographs are part of the model.
    """
    angle = 2 * np.pi * np.arange(len(names)) / max(len(names), 1) - np.pi / 2
    labelled = len(names) <= _LABELLED
    radius = _SIZE / 2 - (_MARGIN if labelled else _MARGIN / 2)
    at = _SIZE / 2 + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    order = np.argsort(counts)[-_EDGES:]
    strongest = max(float(counts.max(initial=1)), 1.0)
    lines = [
        _line(
            at[pairs[i, 0]],
            at[pairs[i, 1]],
            "edge",
            f'stroke-opacity="{0.08 + 0.8 * (counts[i] / strongest) ** 0.7:.2f}"',
        )
        for i in order
        if counts[i] > 0
    ]
    dots = [
        f'<circle class="{"camera" if ok else "lost"}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{escape(name)}</title>'
        "</circle>"
        for name, (x, y), ok in zip(names, at, alive, strict=True)
    ]
    texts = []
    if labelled:
        spots = _SIZE / 2 + (radius + 15) * np.stack([np.cos(angle), np.sin(angle)], 1)
        texts = [f'<text x="{x:.0f}" y="{y + 4:.0f}">{i + 1}</text>' for i, (x, y) in enumerate(spots)]
    return _svg("Which photographs match each other", [*lines, *dots, *texts])


def histogram(values: NDArray[np.float32], bins: int = 32, unit: str = "px") -> str:
    """Bars over [0, 99th percentile] with the median marked."""
    if len(values) == 0:
        return ""
    end = max(float(np.percentile(values, 99)), 1e-6)
    counts, edges = np.histogram(values, bins, (0, end))
    width, height, base = 640, 220, 190
    scale = (base - 12) / max(counts.max(), 1)
    step = (width - 20) / bins
    bars = [
        f'<rect class="bar" x="{10 + i * step:.1f}" y="{base - count * scale:.1f}" width="{step - 1.5:.1f}" '
        f'height="{count * scale:.1f}"><title>{edges[i]:.2f}-{edges[i + 1]:.2f} {unit}: {count}</title></rect>'
        for i, count in enumerate(counts)
    ]
    median = float(np.median(values))
    at = 10 + median / end * (width - 20)
    mark = [
        _line((at, 6), (at, base), "mark", ""),
        f'<text class="start" x="{at + 6:.0f}" y="18">median {median:.2f} {unit}</text>',
    ]
    anchors = ("start", "", "", "", "end")
    ticks = [
        f'<text x="{10 + k / 4 * (width - 20):.0f}" y="{height - 8}" class="{anchors[k]}">{k / 4 * end:.2f}</text>'
        for k in range(5)
    ]
    return _svg("Histogram of reprojection errors", [*bars, *mark, *ticks], width, height)


def _layout(scene: Scene, axes: NDArray[np.float64], title: str) -> str:
    centers = camera_centers(scene)
    target, radius = subject(scene)
    points = scene.points_world
    near = np.linalg.norm(points - target, axis=1) < 2.5 * radius
    shown = np.flatnonzero(near)[:: max(1, int(near.sum()) // _POINTS)]
    flat_points, flat_centers = (points[shown] - target) @ axes.T, (centers - target) @ axes.T
    content = np.concatenate([flat_points, flat_centers])
    low, high = content.min(0), content.max(0)
    scale = (_SIZE - 2 * _MARGIN) / max(float((high - low).max()), 1e-9)
    width, height = (int(side) for side in (high - low) * scale + 2 * _MARGIN)
    dots = "".join(f"M{x:.0f} {y:.0f}h1.5" for x, y in _MARGIN + (flat_points - low) * scale)
    parts = [f'<path class="points" d="{dots}"/>']
    for image, center in zip(scene.images, _MARGIN + (flat_centers - low) * scale, strict=True):
        forward = axes @ image.cam_from_world[2, :3]
        parts.append(_camera(center, forward, image.name))
    return _svg(title, parts, max(width, height * 2 // 3), height)


def _camera(center: NDArray[np.float64], forward: NDArray[np.float64], name: str) -> str:
    """A small wedge that opens where the camera looks."""
    side = np.array([-forward[1], forward[0]])
    left, right = center + 17 * forward + 7 * side, center + 17 * forward - 7 * side
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (center, left, right))
    dot = f'<circle class="camera" cx="{center[0]:.1f}" cy="{center[1]:.1f}" r="3.5"/>'
    return f'<g><title>{escape(name)}</title><polygon class="wedge" points="{corners}"/>{dot}</g>'


def _horizontal_axes(scene: Scene, up: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right and ahead in the ground plane; north is up when georeferenced, else the mean viewing direction."""
    if scene.frame == "georeferenced":
        return np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    target, _ = subject(scene)
    ahead = target - camera_centers(scene).mean(0)
    ahead -= (ahead @ up) * up
    if np.linalg.norm(ahead) < 1e-6:
        ahead = np.cross(up, np.eye(3)[np.argmin(np.abs(up))])
    ahead /= np.linalg.norm(ahead)
    return np.cross(ahead, up), ahead


def _line(
    a: Sequence[float] | NDArray[np.float64], b: Sequence[float] | NDArray[np.float64], css: str, more: str
) -> str:
    return f'<line class="{css}" x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" {more}/>'


def _svg(title: str, parts: Sequence[str], width: int = _SIZE, height: int = _SIZE) -> str:
    label = escape(title, quote=True)
    head = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
    return f"{head}{''.join(parts)}</svg>"
