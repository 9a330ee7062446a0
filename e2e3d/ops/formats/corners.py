"""Render vertices: a vertex is duplicated only where texture charts or pages meet, as glTF needs it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import TexturedMesh


@dataclass(frozen=True)
class Primitive:
    """The faces of one atlas page with one texture coordinate a vertex.

    Attributes:
        page: index of the atlas page.
        vertex: int64 [V], index of each render vertex in the mesh.
        uv: float32 [V, 2], v up as in :class:`~e2e3d.data.mesh.TexturedMesh`.
        faces: uint32 [F, 3], indices of render vertices.
    """

    page: int
    vertex: NDArray[np.int64]
    uv: NDArray[np.float32]
    faces: NDArray[np.uint32]


def primitives_of(textured: TexturedMesh) -> list[Primitive]:
    """One primitive for each page that has faces, in page order; faces keep their order within a page."""
    return [
        _primitive(textured, page, np.flatnonzero(textured.face_page == page))
        for page in range(len(textured.pages))
        if np.any(textured.face_page == page)
    ]


def unique_uv(textured: TexturedMesh) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The distinct texture coordinates of vertices, float32 [U, 2], and int64 [F, 3], the one of each face corner."""
    corners = textured.uv.reshape(-1, 2)
    first, inverse = _group(textured.mesh.faces.reshape(-1), corners)
    return corners[first], inverse.reshape(-1, 3)


def vertex_normals(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    """Unit normals float32 [V, 3], the area-weighted mean of the adjacent faces; (0, 0, 1) where there is none."""
    corners = vertices.astype(np.float64)[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack(
        [
            sum(np.bincount(faces[:, corner], face_normals[:, axis], len(vertices)) for corner in range(3))
            for axis in range(3)
        ],
        1,
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.where(length > 0, length, 1), (0.0, 0.0, 1.0)).astype(np.float32)


def _primitive(textured: TexturedMesh, page: int, selected: NDArray[np.int64]) -> Primitive:
    vertices = textured.mesh.faces[selected].reshape(-1)
    uv = np.ascontiguousarray(textured.uv[selected].reshape(-1, 2))
    first, inverse = _group(vertices, uv)
    return Primitive(page, vertices[first].astype(np.int64), uv[first], inverse.reshape(-1, 3).astype(np.uint32))


def _group(vertices: NDArray[np.integer], uv: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First corner of each distinct (vertex, u, v), and the group of each corner; groups in order of vertices."""
    position = np.ascontiguousarray(uv).view(np.uint64).reshape(-1)  # both float32 bit patterns at once
    order = np.lexsort((position, vertices))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(vertices[order]) != 0) | (np.diff(position[order]) != 0)
    inverse = np.empty(len(order), np.int64)
    inverse[order] = np.cumsum(new) - 1
    return order[new], inverse
