"""Where the search starts: the depth of the nearest sparse point."""

from __future__ import annotations

import numpy as np

from e2e3d.ops.stereo.start_planes import planes_from_points

SIZE = (90, 60)
RANGE = (1.0, 10.0)


def test_each_pixel_takes_the_depth_of_a_nearest_point() -> None:
    random = np.random.default_rng(3)
    points = random.uniform(0, SIZE, (40, 2)).astype(np.float32)
    depths = random.uniform(2, 8, 40).astype(np.float32)
    planes = planes_from_points(points, depths, SIZE, RANGE, seed=0)
    ys, xs = np.mgrid[0 : SIZE[1], 0 : SIZE[0]] + 0.5
    distance = np.hypot(xs[..., None] - points[:, 0], ys[..., None] - points[:, 1])
    taken = np.abs(1 / depths - planes[..., :1]).argmin(-1)
    assert np.allclose(1 / depths[taken], planes[..., 0])
    assert (np.take_along_axis(distance, taken[..., None], -1)[..., 0] <= 1.05 * distance.min(-1) + 1.5).all()
    assert (planes[..., 1:] == 0).all()


def test_points_that_cannot_be_used_are_not() -> None:
    points = np.float32([[10, 10], [10.2, 10.4], [-1, 5], [90, 5], [40, 30], [50, 30]])
    depths = np.float32([4, 2, 3, 3, np.nan, -1])
    assert (planes_from_points(points, depths, SIZE, RANGE, seed=0)[..., 0] == 0.5).all()  # the foremost in its pixel
    assert (planes_from_points(points[:1], np.float32([50]), SIZE, RANGE, seed=0)[..., 0] == np.float32(0.1)).all()


def test_without_points_the_start_is_random_within_the_range() -> None:
    nothing = planes_from_points(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), SIZE, RANGE, seed=5)[..., 0]
    assert nothing.min() >= 0.1
    assert nothing.max() <= 1
    assert len(np.unique(nothing)) > 1000
    outside = planes_from_points(np.float32([[-3, 2]]), np.float32([5]), SIZE, RANGE, seed=5)[..., 0]
    assert (outside == nothing).all()
