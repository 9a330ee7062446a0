"""Combinatorics of triangle meshes: edges, components, manifoldness, subdivision. Faces are int32 [F, 3]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.float32]
Faces = NDArray[np.int32]


def face_edges(faces: Faces) -> NDArray[np.int64]:
    """Undirected edges of all faces as one number each, [3 F]: edge c of face f, opposite to nothing, at c * F + f."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    return np.asarray(ends.min(1) << 32 | ends.max(1))


def edge_pairs(faces: Faces) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions in :func:`face_edges` of the two sides of every edge with exactly two faces."""
    keys = face_edges(faces)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    start = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    first = start[np.diff(np.r_[start, len(keys)]) == 2]
    return order[first], order[first + 1]


def face_components(faces: Faces) -> tuple[int, NDArray[np.int32]]:
    """Number of parts connected over edges with two faces, and the part of every face [F]."""
    a, b = edge_pairs(faces)
    count = len(faces)
    graph = coo_array((np.ones(len(a), np.bool_), (a % count, b % count)), (count, count))
    parts, labels = connected_components(graph, directed=False)
    return int(parts), labels


def make_manifold(vertices: Floats, faces: Faces) -> tuple[Floats, Faces]:
    """Remove degenerate and duplicate faces and the smallest ones of edges with more than two; split touching fans.

    Returns:
        Vertices and faces of a mesh whose edges have one or two faces and whose vertices one fan each.
    """
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    faces = faces[~_repeated_faces(faces)]
    faces = faces[~_surplus_faces(vertices, faces)]
    return _split_fans(vertices, faces)


def _repeated_faces(faces: Faces) -> NDArray[np.bool_]:
    """Which faces have the same three vertices as an earlier one, in any order."""
    low, middle, high = np.sort(faces, axis=1).astype(np.int64).T
    pair = low << 32 | middle
    order = np.lexsort((high, pair))  # stable, so the earliest of equal faces comes first
    repeated = np.zeros(len(faces), np.bool_)
    repeated[order[1:]] = (pair[order[1:]] == pair[order[:-1]]) & (high[order[1:]] == high[order[:-1]])
    return repeated


def _surplus_faces(vertices: Floats, faces: Faces) -> NDArray[np.bool_]:
    """Which faces to drop so that no edge has more than two, the smallest first."""
    keys = face_edges(faces)
    order = np.lexsort((-np.tile(face_areas(vertices, faces), 3), keys))
    ordered = keys[order]
    start = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.arange(len(keys)) - np.repeat(start, np.diff(np.r_[start, len(keys)]))
    surplus = np.zeros(len(faces), np.bool_)
    surplus[order[rank >= 2] % max(len(faces), 1)] = True
    return surplus


def _split_fans(vertices: Floats, faces: Faces) -> tuple[Floats, Faces]:
    """Give each fan of faces around a vertex a vertex of its own; drop vertices without faces."""
    count = len(faces)
    a, b = edge_pairs(faces)
    corners = faces.T.reshape(-1)  # corner c of face f at c * F + f: an edge's start corner has the edge's position
    a_start, a_end = a, (a + count) % (3 * count)
    b_start, b_end = b, (b + count) % (3 * count)
    same = corners[a_start] == corners[b_start]
    rows = np.concatenate([a_start, a_end])
    columns = np.concatenate([np.where(same, b_start, b_end), np.where(same, b_end, b_start)])
    graph = coo_array((np.ones(len(rows), np.bool_), (rows, columns)), (3 * count, 3 * count))
    _, fans = connected_components(graph, directed=False)
    _, source, fans = np.unique(fans, return_index=True, return_inverse=True)
    return vertices[corners[source]], np.ascontiguousarray(fans.reshape(3, count).T.astype(np.int32))


def drop_unused(vertices: Floats, faces: Faces) -> tuple[Floats, Faces]:
    """Keep only the vertices that faces use."""
    used = np.zeros(len(vertices), np.bool_)
    used[faces] = True
    return vertices[used], (np.cumsum(used) - 1)[faces].astype(np.int32)


def subdivide(vertices: Floats, faces: Faces) -> tuple[Floats, Faces]:
    """Split each face into four at the middles of its edges."""
    keys, inverse = np.unique(face_edges(faces), return_inverse=True)
    middles = (vertices[keys >> 32] + vertices[keys & 0xFFFFFFFF]) / 2
    ab, bc, ca = (inverse.reshape(3, -1) + len(vertices)).astype(np.int32)
    a, b, c = faces.T
    quarters = [np.stack(corners, 1) for corners in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
    return np.concatenate([vertices, middles]).astype(np.float32), np.concatenate(quarters)


def face_areas(vertices: Floats, faces: Faces) -> Floats:
    """Area of every face [F]."""
    a, b, c = vertices[faces].swapaxes(0, 1)
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2, np.float32)


def vertex_normals(vertices: Floats, faces: Faces) -> Floats:
    """Unit normals [V, 3]: mean of the faces around, weighted by area."""
    a, b, c = vertices[faces].swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    total = np.stack(
        [np.bincount(faces.reshape(-1), np.repeat(normals[:, i], 3), len(vertices)) for i in range(3)], axis=1
    )
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30), np.float32)
