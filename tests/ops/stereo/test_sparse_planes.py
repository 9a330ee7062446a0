"""Planes of the sparse points, as the search gets them to try."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from e2e3d.data.dense import View
from e2e3d.ops.stereo.pyramid import NEARER
from e2e3d.ops.stereo.sparse_planes import common_planes, planes_at_pixels, sparse_points_in
from tests.ops.street_scene import FACADE, GROUND, grazing_deg, street_views, surfaces_seen

WIDTH, HEIGHT = 160, 120
SHIFT = 0.0027  # inverse depth in 1/m of a pixel's shift between neighbours


def planes_of_sparse_points(view: View, sources: list[View], size: tuple[int, int]) -> np.ndarray:
    camera = view.intrinsics_px * (size[0] / WIDTH)
    planes = common_planes(sparse_points_in(view, sources, camera), SHIFT)
    return planes_at_pixels(planes, size[::-1], view.depth_range)


def without_points(view: View) -> View:
    return replace(view, sparse_px=np.zeros((0, 2), np.float32), sparse_depth=np.zeros(0, np.float32))


def test_ground_and_facade_are_offered_everywhere_they_go_on() -> None:
    views = street_views(3, WIDTH, HEIGHT)
    offered = planes_of_sparse_points(views[0], views[1:], (WIDTH, HEIGHT))
    points, depth, kind = surfaces_seen(views[0].intrinsics_px, views[0].cam_from_world, WIDTH, HEIGHT)
    flat = grazing_deg(points, views[0].cam_from_world)
    for wanted in (kind == FACADE, (kind == GROUND) & (flat < 5)):  # no point lies on such ground
        error = np.abs(offered[wanted, :, 0] * depth[wanted][:, None] - 1).min(1)
        assert (error < 0.02).mean() > 0.98


def test_planes_move_with_the_size_of_the_level_and_end_at_the_range() -> None:
    views = street_views(2, WIDTH, HEIGHT)
    full, half = (
        planes_of_sparse_points(views[0], views[1:], size) for size in ((WIDTH, HEIGHT), (WIDTH // 2, HEIGHT // 2))
    )
    at_corner = full[1::2, 1::2, :, 0] - 0.5 * full[1::2, 1::2, :, 1] - 0.5 * full[1::2, 1::2, :, 2]
    both = (full[1::2, 1::2, :, 0] > 0) & (half[..., 0] > 0)
    assert both.mean() > 0.3
    assert np.median(np.abs(at_corner - half[..., 0])[both]) < 1e-4
    near, far = views[0].depth_range
    assert ((full[..., 0] == 0) | ((full[..., 0] >= 1 / far - 1e-6) & (full[..., 0] <= NEARER / near + 1e-6))).all()


def test_without_points_there_is_nothing_to_offer() -> None:
    views = [without_points(view) for view in street_views(2, WIDTH, HEIGHT)]
    assert planes_of_sparse_points(views[0], views[1:], (WIDTH, HEIGHT)).shape == (HEIGHT, WIDTH, 0, 3)


def test_points_on_no_plane_make_none() -> None:
    points = np.random.default_rng(0).uniform((0, 0, 0.05), (300, 200, 0.5), (100, 3))
    assert common_planes(points, 0.002) == []
