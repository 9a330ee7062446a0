"""Mesh combinatorics on small meshes whose answers are known, and on random ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from e2e3d.ops.mesh.mesh_topology import (
    drop_unused,
    face_areas,
    face_components,
    face_edges,
    make_manifold,
    subdivide,
    vertex_normals,
)
from e2e3d.ops.mesh.mesh_trim import large_components

TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)


def edge_counts(faces: NDArray[np.int32]) -> NDArray[np.int64]:
    return np.unique(face_edges(faces), return_counts=True)[1]


def test_areas_and_normals_of_a_tetrahedron() -> None:
    assert np.allclose(face_areas(CORNERS, TETRAHEDRON), [0.5, 0.5, np.sqrt(3) / 2, 0.5])
    assert np.allclose(vertex_normals(CORNERS, TETRAHEDRON)[0], -np.ones(3) / np.sqrt(3))


def test_two_solids_that_touch_at_a_vertex_are_parted() -> None:
    second = np.where(TETRAHEDRON == 0, 0, TETRAHEDRON + 3).astype(np.int32)
    vertices = np.concatenate([CORNERS, -CORNERS[1:]])
    fixed_vertices, fixed = make_manifold(vertices, np.concatenate([TETRAHEDRON, second]))
    assert len(fixed) == 8
    assert len(fixed_vertices) == 8
    assert face_components(fixed)[0] == 2
    assert (edge_counts(fixed) == 2).all()


def test_the_smallest_face_of_a_crowded_edge_goes() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0.1]], np.float32)
    faces = np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]], np.int32)
    _, fixed = make_manifold(vertices, faces)
    assert len(fixed) == 2
    assert edge_counts(fixed).max() == 2


def test_duplicates_and_degenerate_faces_go() -> None:
    faces = np.array([[0, 1, 2], [1, 2, 0], [2, 1, 0], [0, 0, 3]], np.int32)
    _, fixed = make_manifold(CORNERS, faces)
    assert len(fixed) == 1


def test_subdivision_keeps_area_and_closes() -> None:
    vertices, faces = subdivide(CORNERS, TETRAHEDRON)
    assert len(vertices) == 10
    assert len(faces) == 16
    assert (edge_counts(faces) == 2).all()
    assert np.isclose(face_areas(vertices, faces).sum(), face_areas(CORNERS, TETRAHEDRON).sum())
    normals = np.cross(*(vertices[faces[:, k]] - vertices[faces[:, 0]] for k in (1, 2)))
    assert ((normals * (vertices[faces].mean(1) - 0.25)).sum(1) > 0).all()


def test_unused_vertices_go() -> None:
    vertices, faces = drop_unused(CORNERS, np.array([[0, 1, 3]], np.int32))
    assert np.array_equal(vertices, CORNERS[[0, 1, 3]])
    assert faces.tolist() == [[0, 1, 2]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**31))
def test_any_soup_becomes_manifold(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vertices = rng.standard_normal((12, 3)).astype(np.float32)
    fixed_vertices, fixed = make_manifold(vertices, rng.integers(0, 12, (count, 3)).astype(np.int32))
    if not len(fixed):
        return
    assert edge_counts(fixed).max() <= 2
    for vertex in range(len(fixed_vertices)):
        around = fixed[(fixed == vertex).any(1)]
        assert len(around)
        assert face_components(around)[0] == 1


def test_parts_are_kept_by_size_and_by_share() -> None:
    faces = np.arange(12, dtype=np.int32).reshape(4, 3)
    sizes = np.float32([1, 5, 30, 64])
    assert large_components(faces, sizes, 4.0, 0.0).tolist() == [False, True, True, True]
    assert large_components(faces, sizes, 0.0, 0.2).tolist() == [False, False, True, True]
