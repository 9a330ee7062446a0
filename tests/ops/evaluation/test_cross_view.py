"""Photographs moved over the exact surface look alike; over a wrong one, or from a wrong place, they do not."""

from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.dense import View
from e2e3d.data.run_results import Results
from e2e3d.ops.evaluation.cross_view import (
    Correlation,
    cross_view,
    mean_correlation,
    points_on_surface,
    rephotography,
    small_view,
)
from e2e3d.ops.evaluation.rendering import Renderer
from tests.synthetic import project, sample_results


@pytest.fixture(scope="module")
def results() -> Results:
    return sample_results()


@pytest.fixture(scope="module")
def renderer(results: Results) -> Renderer:
    return Renderer(results.textured.load())


def correlation(renderer: Renderer, first: View, second: View) -> float:
    found = mean_correlation([cross_view(small_view(renderer, first), small_view(renderer, second))])
    assert found is not None
    return found


def test_neighbours_look_alike_over_the_exact_surface(results: Results, renderer: Renderer) -> None:
    first, second = (ref.load() for ref in results.views[:2])
    assert correlation(renderer, first, second) > 0.75


def test_a_turned_camera_shows_something_else(results: Results, renderer: Renderer) -> None:
    first, second = (ref.load() for ref in results.views[:2])
    c, s = np.cos(np.radians(3)), np.sin(np.radians(3))
    turned = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ second.cam_from_world
    assert correlation(renderer, first, replace(second, cam_from_world=turned)) < 0.3


def test_the_textured_model_looks_like_its_photographs(results: Results, renderer: Renderer) -> None:
    view = results.views[0].load()
    own = mean_correlation([rephotography(small_view(renderer, view))])
    other = mean_correlation([rephotography(replace(small_view(renderer, view), grey=np.rot90(_grey(view), 2).copy()))])
    assert own is not None
    assert other is not None
    assert own > 0.5 > 0.2 > other


def _grey(view: View) -> np.ndarray:
    return (view.image.mean(2) / 255).astype(np.float32)


def test_points_before_the_surface_are_not_on_it(results: Results, renderer: Renderer) -> None:
    view, scene = results.views[0].load(), results.mapping.scene
    points = scene.points_world[scene.observation_point[scene.observation_image == 0]]
    depth = (points @ view.cam_from_world[2, :3] + view.cam_from_world[2, 3]).astype(np.float32)
    known = replace(view, sparse_px=project(points, view.cam_from_world).astype(np.float32), sparse_depth=depth)
    small = small_view(renderer, known)
    on, total = points_on_surface(small, known)
    assert on > 0.95 * total
    before = replace(known, sparse_depth=0.9 * depth)
    assert points_on_surface(small, before)[0] < 0.02 * total


def test_nothing_to_compare_is_none() -> None:
    assert mean_correlation([]) is None
    assert mean_correlation([Correlation(0.0, 0), Correlation(8.0, 10)]) == pytest.approx(0.8)
