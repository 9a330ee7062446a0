"""Moves that would fold a flat sheet are undone, spikes are clamped, and moves that do neither are made exactly."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, eye_array

from e2e3d.ops.mesh.mesh_guard import MAX_TURN_DEG, without_folds, without_spikes
from e2e3d.ops.mesh.mesh_topology import face_edges


def sheet(size: int = 20) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    corner = np.arange(size * size).reshape(size, size)[:-1, :-1].ravel()
    halves = ((corner, corner + 1, corner + size + 1), (corner, corner + size + 1, corner + size))
    faces = np.concatenate([np.stack(half, 1) for half in halves])
    return np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1), faces.astype(np.int32)


def turns_deg(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """How far the faces have turned from straight up."""
    a, b, c = vertices[faces].astype(np.float64).swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    return np.degrees(np.arccos(np.clip(normals[:, 2] / np.linalg.norm(normals, axis=1), -1, 1)))


def test_moves_that_fold_faces_over_are_undone() -> None:
    vertices, faces = sheet()
    moves = np.random.default_rng(0).normal(0, 1.5, vertices.shape).astype(np.float32)
    assert turns_deg(vertices + moves, faces).max() > 90
    assert turns_deg(without_folds(vertices, moves, faces), faces).max() < MAX_TURN_DEG + 0.01


def test_moves_that_fold_nothing_are_made_exactly() -> None:
    vertices, faces = sheet()
    moves = np.zeros_like(vertices)
    moves[:, 2] = 0.3 * np.sin(vertices[:, 0])
    assert np.array_equal(without_folds(vertices, moves, faces), vertices + moves)


def test_a_spike_is_clamped_to_its_limit_and_a_smooth_move_stays() -> None:
    vertices, faces = sheet()
    count = len(vertices)
    edges = np.unique(face_edges(faces))
    links = csr_array((np.ones(len(edges)), (edges >> 32, edges & 0xFFFFFFFF)), (count, count))
    links = csr_array(links + links.T)
    laplacian = csr_array(eye_array(count) - links / links.sum(1)[:, None])
    smooth = 0.05 * np.sin(vertices[:, 0].astype(np.float64) / 3)
    limits = np.full(count, 0.1)
    assert np.array_equal(without_spikes(smooth, limits, laplacian), smooth)
    middle = count // 2 + 10
    spiked = smooth + np.where(np.arange(count) == middle, 2.0, 0)
    assert without_spikes(spiked, limits, laplacian)[middle] < 0.5
