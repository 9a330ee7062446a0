"""Pictures of what a run found, with matplotlib: each function returns a figure of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import DepthMap
from e2e3d.inspection.pair_matches import PairMatches
from e2e3d.inspection.photo_graph import PhotoGraph
from e2e3d.runtime.notebook_extra import notebook_library

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST_PX = 1600
_WIDTH_IN = 9.0
_VERIFIED, _REJECTED = "lime", "red"


def keypoints_figure(image: NDArray[np.uint8], keypoints_px: NDArray[np.float32], title: str) -> Figure:
    """A photograph with its keypoints: x, y, scale and orientation, float32 [N, 4]."""
    collections = notebook_library("matplotlib.collections")
    figure, axes = _figure(image.shape[1] / image.shape[0], title)
    _show(axes, image)
    x, y, scale, angle = keypoints_px.T
    size = 2 * scale
    circles = collections.EllipseCollection(
        size, size, np.zeros(len(x)), units="xy", offsets=np.stack([x, y], 1), transOffset=axes.transData
    )
    circles.set(facecolor="none", edgecolor=_VERIFIED, linewidth=0.5)
    axes.add_collection(circles)
    ends = np.stack([x + scale * np.cos(angle), y + scale * np.sin(angle)], 1)
    axes.add_collection(_lines(np.stack([x, y], 1), ends, _VERIFIED, 0.5))
    return figure


def matches_figure(first: NDArray[np.uint8], second: NDArray[np.uint8], matches: PairMatches, limit: int) -> Figure:
    """Two photographs side by side with lines between matches, at most `limit` of each kind; rejected ones are red."""
    height = max(first.shape[0], second.shape[0])
    width = first.shape[1] + second.shape[1]
    canvas = np.full((height, width, 3), 255, np.uint8)
    canvas[: first.shape[0], : first.shape[1]] = first
    canvas[: second.shape[0], first.shape[1] :] = second
    verified = int(matches.inlier.sum())
    title = f"{matches.first} and {matches.second}: {verified} of {matches.candidates} verified"
    figure, axes = _figure(width / height, title)
    _show(axes, canvas)
    moved = matches.points2_px + np.array([first.shape[1], 0], np.float32)
    for kind, colour in ((~matches.inlier, _REJECTED), (matches.inlier, _VERIFIED)):
        chosen = np.flatnonzero(kind)
        chosen = chosen[:: max(1, -(-len(chosen) // limit))]
        axes.add_collection(_lines(matches.points1_px[chosen], moved[chosen], colour, 0.6))
    return figure


def match_graph_figure(graph: PhotoGraph) -> Figure:
    """Verified matches between every two photographs as a matrix, on a logarithmic scale."""
    colors = notebook_library("matplotlib.colors")
    figure, axes = _figure(1.2, "verified matches")
    matrix = np.ma.masked_equal(graph.matrix, 0)
    picture = axes.imshow(matrix, norm=colors.LogNorm(1, max(int(graph.matrix.max()), 2)), cmap="viridis")
    figure.colorbar(picture, ax=axes)
    if len(graph.names) <= 40:
        axes.set_xticks(range(len(graph.names)), graph.names, rotation=90, fontsize=7)
        axes.set_yticks(range(len(graph.names)), graph.names, fontsize=7)
    return figure


def depth_figure(maps: Sequence[tuple[str, DepthMap]]) -> Figure:
    """Depth maps side by side with one colour scale; where there is no depth they are white."""
    known = np.concatenate([one.depth[one.depth > 0] for _, one in maps])
    low, high = np.percentile(known, (1, 99)) if len(known) else (0.0, 1.0)
    pictures = [(title, np.ma.masked_equal(one.depth, 0)) for title, one in maps]
    return _grid(pictures, "viridis_r", float(low), float(high))


def normals_figure(maps: Sequence[tuple[str, DepthMap]]) -> Figure:
    """Normals as colours: x, y and the direction to the camera as red, green and blue; white where there are none."""
    pictures = []
    for title, one in maps:
        colours = (one.normal_cam * np.array([1, -1, -1], np.float32) + 1) / 2
        pictures.append((title, np.where(one.depth[..., None] > 0, np.clip(colours, 0, 1), 1)))
    return _grid(pictures, None, 0, 1)


def confidence_figure(maps: Sequence[tuple[str, DepthMap]]) -> Figure:
    """Confidence in [0, 1]; white where there is no depth."""
    pictures = [(title, np.ma.masked_where(one.depth == 0, one.confidence)) for title, one in maps]
    return _grid(pictures, "magma", 0, 1)


def picture_figure(image: NDArray[np.uint8], title: str) -> Figure:
    """One picture, such as a page of the texture atlas."""
    figure, axes = _figure(image.shape[1] / image.shape[0], title)
    _show(axes, image)
    return figure


def _grid(pictures: Sequence[tuple[str, NDArray[np.floating]]], cmap: str | None, low: float, high: float) -> Figure:
    """Pictures in rows of at most three, with a scale where they have one value a pixel."""
    columns = min(len(pictures), 3)
    rows = -(-len(pictures) // columns)
    height, width = pictures[0][1].shape[:2]
    figures = notebook_library("matplotlib.figure")
    size = (_WIDTH_IN, _WIDTH_IN / columns * rows * height / width + 0.4)
    figure: Figure = figures.Figure(figsize=size, layout="constrained")
    drawn, shown = [], None
    for number, (title, picture) in enumerate(pictures):
        axes = figure.add_subplot(rows, columns, number + 1)
        shown = axes.imshow(picture, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
        drawn.append(axes)
    if cmap is not None and shown is not None:
        figure.colorbar(shown, ax=drawn, shrink=0.8)
    return figure


def _figure(aspect: float, title: str) -> tuple[Figure, Axes]:
    figures = notebook_library("matplotlib.figure")
    figure: Figure = figures.Figure(figsize=(_WIDTH_IN, _WIDTH_IN / aspect + 0.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10)
    return figure, axes


def _show(axes: Axes, image: NDArray[np.uint8]) -> None:
    """An image whose axes count COLMAP pixels, at a size that a screen can show."""
    height, width = image.shape[:2]
    step = max(1, max(height, width) // _LONGEST_PX)
    axes.imshow(image[::step, ::step], extent=(0, width, height, 0))
    axes.set_axis_off()


def _lines(starts: NDArray[np.floating], ends: NDArray[np.floating], colour: str, width: float) -> Any:
    collections = notebook_library("matplotlib.collections")
    return collections.LineCollection(np.stack([starts, ends], 1), colors=colour, linewidths=width, alpha=0.7)
