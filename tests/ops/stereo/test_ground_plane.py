"""The level ground before a facade is found by its height, without a sparse point on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.dense import View
from e2e3d.ops.stereo.ground_plane import ground_plane
from e2e3d.ops.stereo.pyramid import grey_view
from tests.ops.street_scene import DISTANCE_M, EYE_M, street_views

WIDTH, HEIGHT = 240, 180


@pytest.fixture(scope="module")
def views() -> list[View]:
    return street_views(4, WIDTH, HEIGHT)


def found(views: list[View]) -> np.ndarray | None:
    greys = [grey_view(view) for view in views]
    behind = np.full((HEIGHT, WIDTH), DISTANCE_M, np.float32)
    return ground_plane(greys[0], greys[1:], behind, (8.0, 40.0))


def test_its_height_and_direction_are_found(views: list[View]) -> None:
    plane = found(views)
    assert plane is not None
    assert 1 / np.linalg.norm(plane) == pytest.approx(EYE_M, rel=0.03)
    normal_world = views[0].cam_from_world[:, :3].T @ plane / np.linalg.norm(plane)
    np.testing.assert_allclose(normal_world, (0, 0, -1), atol=0.02)


def test_nothing_is_found_where_the_ground_differs_from_view_to_view(views: list[View]) -> None:
    changed = []
    for i, view in enumerate(views):
        image = view.image.copy()
        noise = np.random.default_rng(i).normal(120, 30, (HEIGHT // 2, WIDTH, 1))
        image[HEIGHT // 2 :] = np.clip(noise, 0, 255).astype(np.uint8)
        changed.append(replace(view, image=image))
    assert found(changed) is None


def test_views_that_are_not_level_or_look_down_have_no_ground_before_them(views: list[View]) -> None:
    rolled = np.array([[np.cos(0.5), -np.sin(0.5), 0], [np.sin(0.5), np.cos(0.5), 0], [0, 0, 1]])
    assert found([replace(view, cam_from_world=rolled @ view.cam_from_world) for view in views]) is None
    down = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    assert found([replace(view, cam_from_world=down @ view.cam_from_world) for view in views]) is None
