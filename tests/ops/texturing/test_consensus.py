"""Which candidates are believed, against exactly known intruders, highlights and blur."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.texturing.adjacency import face_adjacency, opposite_slots
from e2e3d.ops.texturing.candidates import Candidates, keep_consistent
from e2e3d.ops.texturing.consensus import consistent_candidates
from tests.ops.texturing.scenes import (
    PINHOLE,
    camera_above,
    photograph,
    plane,
    textured,
    waves,
)

MESH = plane(30)
CENTRES = MESH.vertices_world[MESH.faces].mean(1).astype(float)
SURFACE = waves(0.3 * CENTRES)  # changes little from face to face
SHIRT = np.array([205.0, 60.0, 150.0])


def judged(colours: list[NDArray[np.float64]], gain: NDArray[np.float64] | None = None) -> NDArray[np.bool_]:
    """`believed` of faces that every view sees, with what each view shows of them, [F, 3]."""
    count = len(colours)
    colour = np.clip(np.stack(colours, 1), 0, 255).astype(np.uint8)
    view = np.tile(np.arange(count, dtype=np.int16), (len(SURFACE), 1))
    candidates = Candidates(view, np.ones(view.shape, np.float32), colour)
    neighbours = face_adjacency(MESH.faces)
    gains = np.ones((count, 3)) if gain is None else gain
    return consistent_candidates(candidates, gains, neighbours, opposite_slots(neighbours, MESH.faces))


def person(left: float, right: float, colour: NDArray[np.float64] = SHIRT) -> NDArray[np.float64]:
    """The surface behind a person from x = left to x = right, with a little pattern on the shirt."""
    inside = (CENTRES[:, 0] > left) & (CENTRES[:, 0] < right) & (np.abs(CENTRES[:, 1]) < 0.7)
    shirt = colour + 8 * np.sin(9 * CENTRES[:, :1])
    return np.where(inside[:, None], shirt, SURFACE)


def shows_surface(photo: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.abs(photo - SURFACE).max(1) < 1


def test_surface_without_intruders_is_believed_everywhere() -> None:
    assert judged([SURFACE] * 4).all()


def test_persons_at_different_places_of_three_views_are_cut_out() -> None:
    photos = [person(-0.7, -0.2), person(0.2, 0.5), SURFACE]
    truth = np.stack([shows_surface(photo) for photo in photos], 1)
    assert (judged(photos) == truth).mean() > 0.995


def test_of_two_views_the_one_that_continues_is_believed() -> None:
    photos = [SURFACE, person(-0.3, 0.4)]
    truth = np.stack([shows_surface(photo) for photo in photos], 1)
    assert (judged(photos) == truth).mean() > 0.99


def test_a_highlight_in_half_of_the_views_is_not_believed() -> None:
    distance = np.linalg.norm(CENTRES[:, :2], axis=1)
    light = np.clip(400 * (0.45 - distance), 0, 120)[:, None]
    found = judged([SURFACE, SURFACE, SURFACE + light, SURFACE + 0.9 * light])
    core = distance < 0.2
    assert found[core, :2].all()
    assert not found[core, 2:].any()


def test_blur_is_no_contradiction() -> None:
    fine = SURFACE + np.random.default_rng(0).normal(0, 12, (len(SURFACE), 1))
    neighbours = face_adjacency(MESH.faces)
    around = np.where((neighbours >= 0)[..., None], fine[neighbours], fine[:, None])
    blurred = (fine + around.sum(1)) / 4
    assert judged([fine, blurred])[:, 0].mean() > 0.97
    assert judged([fine, fine, blurred])[:, :2].mean() > 0.97


def test_gains_are_applied_before_views_are_compared() -> None:
    gain = np.ones((3, 3))
    gain[1] = 1.6
    photos = [SURFACE, SURFACE / 1.6, SURFACE]
    assert judged(photos, gain).all()
    assert not judged(photos)[:, 1].all()


def test_a_dropped_view_is_a_last_resort_nearby_and_rows_are_sorted() -> None:
    mesh = plane(6)
    count = len(mesh.faces)
    view = np.tile(np.array([3, 1, -1], np.int16), (count, 1))
    candidates = Candidates(view, np.ones(view.shape, np.float32) * (view >= 0), np.zeros((*view.shape, 3), np.uint8))
    trusted = view >= 0
    trusted[30, 0] = False
    neighbours = face_adjacency(mesh.faces)
    kept = keep_consistent(candidates, trusted, neighbours)
    assert kept.view[30].tolist() == [1, -1, -1]
    assert kept.view[0].tolist() == [1, 3, -1]
    around = [g for g in neighbours[30] if g >= 0]
    assert (kept.quality[around, 1] < 0.1).all()
    assert (kept.quality[around, 0] == 1).all()


def test_a_clipped_spot_inside_a_face_is_not_painted() -> None:
    mesh = plane(3, 0.6)
    poses = [camera_above(x, y) for x, y in ((0, 0.01), (0.2, 0.2))]
    photos = [photograph(mesh, PINHOLE, pose, lambda p, f: waves(p)) for pose in poses]
    for y in range(60, 180, 12):
        for x in range(95, 225, 12):
            photos[0][y : y + 4, x : x + 4] = 255
    model = textured(mesh, PINHOLE, poses, photos)
    assert set(np.unique(model.face_image)) == {1}
