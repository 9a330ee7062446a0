"""Four tiles made one with a quarter of their faces; its border stays as it is, so that no crack opens beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import Mesh

_SIZES = (0.01, 0.0001)  # lengths of an edge at which decimation is exact, and at which it always goes on


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of several; vertices at exactly the same place become one."""
    vertices = np.concatenate([mesh.vertices_world for mesh in meshes])
    offsets = np.cumsum([0, *(len(mesh.vertices_world) for mesh in meshes[:-1])])
    faces = np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)])
    bits = np.ascontiguousarray(vertices + np.float32(0)).view(np.uint32)  # -0 becomes 0
    order = np.lexsort(bits.T)
    new = np.ones(len(order), bool)
    new[1:] = (bits[order[1:]] != bits[order[:-1]]).any(1)
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(new) - 1
    return plain_mesh(vertices[order[new]], group[faces])


def reduced(mesh: Mesh, target_faces: int) -> Mesh:
    """The mesh with about `target_faces` faces by quadric errors (Garland and Heckbert, SIGGRAPH 1997).

    Vertices of the border keep their bits. More faces are left where the border needs them, and in the worst case all.
    """
    import fast_simplification

    if len(mesh.faces) <= target_faces:
        return mesh
    vertices, faces = mesh.vertices_world, mesh.faces
    edge = float(np.median(np.linalg.norm(vertices[faces[:, 0]] - vertices[faces[:, 1]], axis=1)))
    if edge <= 0:
        return mesh
    for size in _SIZES:
        scale = 2.0 ** np.round(np.log2(size / edge))  # a power of two changes no bit of a coordinate
        scaled, fewer = fast_simplification.simplify(
            vertices.astype(np.float64) * scale, faces, target_count=target_faces, agg=3, preserve_border=True
        )
        if len(fewer) <= 1.2 * target_faces:
            break
    return plain_mesh(*_used(np.asarray(scaled, np.float64) / scale, np.asarray(fewer, np.int64)))


def plain_mesh(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> Mesh:
    """A mesh without colours of its own."""
    return Mesh(vertices.astype(np.float32), np.zeros((len(vertices), 3), np.uint8), faces.astype(np.int32))


def _used(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Without faces that are no triangles, and without vertices that no face has."""
    a, b, c = faces.T
    used, local = np.unique(faces[(a != b) & (b != c) & (c != a)], return_inverse=True)
    return vertices[used], local.reshape(-1, 3)
