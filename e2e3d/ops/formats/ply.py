"""Binary PLY: coloured, oriented point clouds and triangle meshes (Turk, 1994), read by every mesh tool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import PointCloud
from e2e3d.data.mesh import Mesh

_BLOCK = 1_000_000
_PLY_NAMES = {"<f4": "float", "|u1": "uchar", "<u2": "ushort"}

_Column = tuple[str, str, NDArray[Any]]


def write_cloud_ply(file: BinaryIO, cloud: PointCloud) -> None:
    """Write position, normal, colour, ``confidence`` (float) and ``view_count`` (ushort), in the model frame."""
    columns = [
        *_axes(("x", "y", "z"), cloud.points_world),
        *_axes(("nx", "ny", "nz"), cloud.normals_world),
        *_colors(cloud.colors),
        ("confidence", "<f4", cloud.confidence),
        ("view_count", "<u2", cloud.view_count),
    ]
    file.write(_header([_element("vertex", len(cloud.points_world), columns)]))
    _write_rows(file, columns)


def write_points_ply(file: BinaryIO, points_world: NDArray[np.float32]) -> None:
    """Write bare positions [N, 3]."""
    columns = _axes(("x", "y", "z"), points_world)
    file.write(_header([_element("vertex", len(points_world), columns)]))
    _write_rows(file, columns)


def write_colored_points_ply(file: BinaryIO, points_world: NDArray[np.floating], colors: NDArray[np.uint8]) -> None:
    """Write positions [N, 3] with colours [N, 3], such as those of the sparse points."""
    columns = [*_axes(("x", "y", "z"), points_world.astype(np.float32)), *_colors(colors)]
    file.write(_header([_element("vertex", len(points_world), columns)]))
    _write_rows(file, columns)


def write_mesh_ply(file: BinaryIO, mesh: Mesh) -> None:
    """Write vertices with colour, and triangles, in the model frame."""
    columns = [*_axes(("x", "y", "z"), mesh.vertices_world), *_colors(mesh.colors)]
    faces = f"element face {len(mesh.faces)}\nproperty list uchar int vertex_indices"
    file.write(_header([_element("vertex", len(mesh.vertices_world), columns), faces]))
    _write_rows(file, columns)
    rows = np.empty(len(mesh.faces), dtype=[("count", "u1"), ("vertices", "<i4", 3)])
    rows["count"] = 3
    rows["vertices"] = mesh.faces
    file.write(rows.tobytes())


def _axes(names: Sequence[str], values: NDArray[np.float32]) -> list[_Column]:
    return [(name, "<f4", values[:, axis]) for axis, name in enumerate(names)]


def _colors(colors: NDArray[np.uint8]) -> list[_Column]:
    return [(name, "|u1", colors[:, channel]) for channel, name in enumerate(("red", "green", "blue"))]


def _element(name: str, count: int, columns: Sequence[_Column]) -> str:
    properties = [f"property {_PLY_NAMES[dtype]} {column}" for column, dtype, _ in columns]
    return "\n".join([f"element {name} {count}", *properties])


def _header(elements: Sequence[str]) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0", "comment made by E2E3D", *elements, "end_header"]
    return ("\n".join(lines) + "\n").encode("ascii")


def _write_rows(file: BinaryIO, columns: Sequence[_Column]) -> None:
    """Interleave the columns block by block, so that memory is bounded by the block."""
    count = len(columns[0][2])
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        rows = np.empty(stop - start, dtype=[(name, dtype) for name, dtype, _ in columns])
        for name, _, values in columns:
            rows[name] = values[start:stop]
        file.write(rows.tobytes())
