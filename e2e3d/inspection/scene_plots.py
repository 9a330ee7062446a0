"""Cameras, clouds and meshes as interactive views in three dimensions, with plotly: they work without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import PointCloud
from e2e3d.data.mesh import Mesh
from e2e3d.data.scene import Scene
from e2e3d.runtime.notebook_extra import notebook_library

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

CloudColor = Literal["photo", "confidence", "views", "normal"]
_SHARE = 0.06  # of the spread of the cameras: how deep a frustum is drawn


def cameras_figure(scene: Scene, limit: int) -> Figure:
    """The cameras as frusta with the names of their photographs, and at most `limit` sparse points."""
    graph = notebook_library("plotly.graph_objects")
    x, y, z = _frusta(scene)
    centers = np.array([image.center_world for image in scene.images]).reshape(-1, 3)
    chosen = _subset(len(scene.points_world), limit)
    parts = [
        _points(scene.points_world[chosen], scene.colors[chosen], "sparse points"),
        graph.Scatter3d(x=x, y=y, z=z, mode="lines", line={"color": "crimson", "width": 2}, name="cameras"),
        graph.Scatter3d(
            **_axes(centers),
            mode="markers",
            marker={"size": 2, "color": "crimson"},
            text=[image.name for image in scene.images],
            hoverinfo="text",
            name="photographs",
        ),
    ]
    return _figure(parts, scene)


def cloud_figure(cloud: PointCloud, scene: Scene, color: CloudColor, limit: int) -> Figure:
    """At most `limit` points of a cloud, coloured by the photographs or by what is known of each point."""
    chosen = _subset(len(cloud.points_world), limit)
    values: dict[str, NDArray[Any]] = {
        "photo": cloud.colors,
        "confidence": cloud.confidence,
        "views": cloud.view_count,
        "normal": ((cloud.normals_world + 1) * 127.5).astype(np.uint8),
    }
    return _figure([_points(cloud.points_world[chosen], values[color][chosen], color)], scene)


def mesh_figure(mesh: Mesh, scene: Scene) -> Figure:
    """The surface with the colours of its vertices."""
    graph = notebook_library("plotly.graph_objects")
    i, j, k = mesh.faces.T
    part = graph.Mesh3d(
        **_axes(mesh.vertices_world),
        i=i,
        j=j,
        k=k,
        vertexcolor=_css(mesh.colors),
        lighting={"ambient": 0.9, "diffuse": 0.2, "specular": 0},
        name="mesh",
    )
    return _figure([part], scene)


def _figure(parts: list[Any], scene: Scene) -> Figure:
    graph = notebook_library("plotly.graph_objects")
    up = {"x": 0, "y": -1, "z": 0} if scene.frame == "arbitrary" else {"x": 0, "y": 0, "z": 1}
    hidden = {"visible": False}
    figure: Figure = graph.Figure(parts)
    figure.update_layout(
        scene={
            "aspectmode": "data",
            "camera": {"up": up},
            "xaxis": hidden,
            "yaxis": hidden,
            "zaxis": hidden,
        },
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        height=560,
        showlegend=False,
    )
    return figure


def _points(points: NDArray[np.floating], values: NDArray[Any], name: str) -> Any:
    graph = notebook_library("plotly.graph_objects")
    marker: dict[str, Any] = {"size": 1.5, "color": _css(values) if values.ndim == 2 else values}
    if values.ndim == 1:
        marker |= {"colorscale": "Viridis", "showscale": True}
    return graph.Scatter3d(**_axes(points), mode="markers", marker=marker, hoverinfo="skip", name=name)


def _frusta(scene: Scene) -> tuple[list[float | None], list[float | None], list[float | None]]:
    """The edges of every camera's frustum, one line with gaps for all."""
    centers = np.array([image.center_world for image in scene.images]).reshape(-1, 3)
    spread = float(np.linalg.norm(np.ptp(centers, axis=0))) if len(centers) else 1.0
    lines: list[list[float | None]] = []
    for image in scene.images:
        camera = scene.camera_of(image)
        w, h = camera.width_px, camera.height_px
        pixels = np.array([[0, 0, 1], [w, 0, 1], [w, h, 1], [0, h, 1]], np.float64)
        rays = pixels @ np.linalg.inv(camera.K).T * (_SHARE * (spread or 1.0))
        a, b, c, d = (rays - image.cam_from_world[:, 3]) @ image.cam_from_world[:, :3]
        o = image.center_world
        lines += [*(point.tolist() for point in (o, a, b, o, c, d, o, a, d, c, b)), [None] * 3]
    x, y, z = ([point[axis] for point in lines] for axis in range(3))
    return x, y, z


def _axes(points: NDArray[np.floating]) -> dict[str, NDArray[np.float32]]:
    return dict(zip("xyz", np.ascontiguousarray(points.T, np.float32), strict=True))


def _css(colors: NDArray[np.uint8]) -> list[str]:
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colors.tolist()]


def _subset(count: int, limit: int) -> NDArray[np.int64]:
    """At most `limit` of so many indices, the same ones every time."""
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, limit, replace=False))
