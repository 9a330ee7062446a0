"""Gains and falloffs, against photographs of exactly known light."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from e2e3d.ops.texturing.camera import camera_vector
from e2e3d.ops.texturing.exposure import estimate_exposure, sampled_faces
from e2e3d.ops.texturing.falloff import lenses, squared_radii
from e2e3d.ops.texturing.texture_mesh import collect_candidates
from tests.ops.texturing.scenes import (
    PINHOLE,
    camera_above,
    photograph,
    plane,
    surface_samples,
    texture_at,
    textured,
    waves,
)

MESH = plane(40, 0.9)
POSES = [camera_above(x, y) for x, y in ((0, 0.01), (0.7, 0.4), (-0.6, 0.5), (0.4, -0.6), (-0.5, -0.6), (0.9, -0.1))]
GAINS = np.array([1.0, 0.8, 1.15, 0.9, 1.1, 0.95])
CAMERAS = np.array([camera_vector(PINHOLE, pose) for pose in POSES])
SIZES = np.tile([PINHOLE.width_px, PINHOLE.height_px], (len(POSES), 1))


def photographs(corner_loss: float) -> list[NDArray[np.uint8]]:
    """The plane through a lens that loses this share in its corners, each with its own gain."""
    y, x = np.mgrid[-119.5:120, -159.5:160]
    lens = 1 - corner_loss * (x**2 + y**2) / (120**2 + 160**2)
    exact = [photograph(MESH, PINHOLE, pose, lambda p, f: waves(p)) for pose in POSES]
    return [
        np.clip(photo * (gain * lens)[..., None] + 0.5, 0, 255).astype(np.uint8)
        for photo, gain in zip(exact, GAINS, strict=True)
    ]


def estimated(photos: list[NDArray[np.uint8]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    faces = MESH.faces
    candidates, sizes = collect_candidates(MESH.vertices_world, faces, CAMERAS, lambda i: (photos[i], None))
    chosen = sampled_faces(len(faces))
    radius = squared_radii(MESH.vertices_world, faces, chosen, CAMERAS, sizes, candidates.view)
    return estimate_exposure(candidates, chosen, radius, lenses(CAMERAS, sizes))


@pytest.mark.parametrize("corner_loss", [0.15, 0.3, 0.5])
def test_falloff_is_found_beside_gains(corner_loss: float) -> None:
    gain, falloff = estimated(photographs(corner_loss))
    assert (falloff == falloff[0]).all()
    squared = np.linspace(0, 0.6, 7)  # the plane reaches no farther
    kept = np.exp(-np.stack([squared, squared**2, squared**3], 1) @ falloff[0])
    assert np.abs(kept - (1 - corner_loss * squared)).max() < 0.015
    assert np.abs(gain[:, 1] * GAINS / (gain[:, 1] * GAINS).mean() - 1).max() < 0.04


def test_lens_without_falloff_is_left_alone() -> None:
    _, falloff = estimated(photographs(0.0))
    assert not falloff.any()


def test_texture_does_not_show_the_falloff() -> None:
    model = textured(MESH, PINHOLE, POSES, photographs(0.3))
    face, weights, points = surface_samples(MESH, 8000)
    ratio = (texture_at(model, face, weights) / waves(points))[(np.abs(points[:, :2]) < 0.86).all(1)]
    assert ratio.std() / ratio.mean() < 0.025


def test_a_lens_of_two_photographs_is_not_judged() -> None:
    cameras = CAMERAS.copy()
    cameras[:2, 0] += 5
    sizes = SIZES.copy()
    sizes[5] = (640, 480)
    assert lenses(cameras, sizes).tolist() == [-1, -1, 0, 0, 0, -1]
