"""Surfaces close behind each other keep their own texture, with the exact mesh and exactly known colours."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from e2e3d.data.mesh import Mesh
from e2e3d.ops.sample.sample_scene import look_at
from tests.ops.texturing.scenes import (
    PINHOLE,
    camera_above,
    joined,
    photograph,
    plane,
    surface_samples,
    texture_at,
    textured,
)

RED, BLUE = np.array([190.0, 60, 50]), np.array([50.0, 70, 190])


def pot(wall: float, sides: int = 64, rings: int = 16) -> Mesh:
    """A tube of radius and half height 0.5: the faces outside, then as many inside, then those of the rims."""
    angle, height = np.linspace(0, 2 * np.pi, sides, endpoint=False), np.linspace(-0.5, 0.5, rings + 1)
    tubes = [
        np.stack(
            [np.tile(radius * turn(angle), rings + 1) for turn in (np.cos, np.sin)] + [np.repeat(height, sides)], 1
        )
        for radius in (0.5, 0.5 - wall)
    ]
    ring, side = (index.ravel() for index in np.mgrid[:rings, :sides])
    a, b = ring * sides + side, ring * sides + (side + 1) % sides
    outer = np.concatenate([np.stack([a, b, b + sides], 1), np.stack([a, b + sides, a + sides], 1)])
    inner = outer[:, ::-1] + (rings + 1) * sides
    i = np.arange(sides)
    j, other = (i + 1) % sides, (rings + 1) * sides
    below = np.concatenate([np.stack([i, i + other, j + other], 1), np.stack([i, j + other, j], 1)])
    above = below[:, ::-1] + rings * sides
    vertices = np.concatenate(tubes).astype(np.float32)
    faces = np.concatenate([outer, inner, below, above]).astype(np.int32)
    return Mesh(vertices, np.full((len(vertices), 3), 99, np.uint8), faces)


def taken_from_the_other(mesh: Mesh, red: NDArray[np.bool_], poses: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Share [F] of each face's samples that are nearer to the wrong one of red and blue; NaN without samples."""
    photos = [
        photograph(mesh, PINHOLE, pose, lambda _, face: np.where(red[face][..., None], RED, BLUE)) for pose in poses
    ]
    model = textured(mesh, PINHOLE, poses, photos, even_exposure=False)
    face, weights, _ = surface_samples(mesh, 60_000)
    found = texture_at(model, face, 0.2 / 3 + 0.8 * weights)  # no texel of the next face
    wrong = (np.abs(found - RED).max(1) < np.abs(found - BLUE).max(1)) != red[face]
    with np.errstate(invalid="ignore"):
        return np.bincount(face, wrong, len(red)) / np.bincount(face, minlength=len(red))


@pytest.mark.parametrize("wall", [0.01, 0.02])
def test_inner_and_outer_surface_of_a_thin_wall_keep_their_own_texture(wall: float) -> None:
    mesh = pot(wall)
    side = len(mesh.faces) * 16 // 34
    red = np.arange(len(mesh.faces)) < side
    poses = [
        look_at(2.2 * np.array([np.cos(turn) * np.cos(up), np.sin(turn) * np.cos(up), np.sin(up)]), np.zeros(3))
        for turn, up in zip(np.linspace(0, 2 * np.pi, 14, endpoint=False), 7 * (0.3, 0.9), strict=True)
    ]
    wrong = taken_from_the_other(mesh, red, poses)
    middle = np.abs(mesh.vertices_world[mesh.faces, 2]).max(1) < 0.45  # a rim of one pixel bleeds over its edges
    assert np.nanmax(wrong[: 2 * side][middle[: 2 * side]]) == 0


@pytest.mark.parametrize("gap", [0.01, 0.02])
def test_a_sheet_close_above_another_leaves_no_colour_on_it(gap: float) -> None:
    lower, upper = plane(40, 0.6), plane(20, 0.3, gap)  # the gap is little more than a pixel, or two
    mesh = joined(lower, upper)
    red = np.arange(len(mesh.faces)) >= len(lower.faces)
    spots = ((0, 0.01), (0.5, 0.3), (-0.5, 0.2), (0.2, -0.5), (-0.3, -0.4), (1.2, 0.2), (-1.2, 0.3))
    wrong = taken_from_the_other(mesh, red, [camera_above(x, y) for x, y in spots])
    reach = np.abs(mesh.vertices_world[mesh.faces][..., :2]).max((1, 2))
    assert np.nanmax(wrong[~red & (reach < 0.27)]) == 0  # 1 where those below pass for visible
    assert np.nanmax(wrong[~red & (reach > 0.36)]) == 0
    assert np.nanmax(wrong[red & (reach < 0.27)]) == 0
