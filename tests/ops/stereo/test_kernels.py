"""Each kernel against a plain numpy reference."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e3d.ops.stereo import cpu
from e2e3d.ops.stereo.correlation import WIDE, SourceImage, Warp, correlation_cost, load_patch, window_offsets
from e2e3d.ops.stereo.hypothesis import ABSENT, plane_cost, source_depth_at, view_cost
from e2e3d.ops.stereo.planes import Intrinsics, Plane, Ray, is_visible, normal_from_plane, plane_from_normal
from e2e3d.ops.stereo.problem import COST_SCALE, PATCH_FLOATS, SAMPLES, new_state
from e2e3d.ops.stereo.pyramid import GreyView, MatchSettings, build_problem, grey_view, level_sizes, pack_texels
from e2e3d.ops.stereo.randomness import uniform
from e2e3d.ops.stereo.visit import _FAR, _NEAR, keep_least, load_reference, refine_depth, start_pixel
from tests.ops.stereo.scenes import HEIGHT, PLANE, WIDTH, plane_views, pose

F = np.float32
SETTINGS = MatchSettings(5, 12.0, 1.5, 0.0, 3.0, 4.0)
CAMERA = Intrinsics(F(100), F(100), F(0), F(0))


def problem_of(grey, mask=None):
    """A problem whose reference is `grey`, with the wide window everywhere."""
    view = GreyView(grey, np.array([90.0, 90, 25, 20]), pose((0.0, 0.0, 0.0)), mask)
    return build_problem(view, [view], None, grey.shape[::-1], (2.0, 9.0), SETTINGS)


def reference_patch(grey, x, y, offsets, color_scale):
    values = np.array([grey[y + int(b), x + int(a)] for a, b in zip(*offsets, strict=True)], float)
    weights = 1 / (1 + ((values - grey[y, x]) / color_scale) ** 2)
    return values, weights / weights.sum()


@pytest.mark.parametrize("gathers", [True, False])
def test_correlation_is_the_weighted_ncc_of_exact_bilinear_samples(gathers):
    rng = np.random.default_rng(3)
    grey = rng.integers(0, 255, (40, 50)).astype(np.uint8)
    source = rng.integers(0, 255, (30, 60)).astype(np.uint8)
    offsets = window_offsets(5)
    scratch = cpu.new_scratch(gathers)
    load_patch(problem_of(grey), scratch.patch, WIDE, 20, 18)
    H = np.array([[1.1, 0.05, 3.0], [-0.04, 0.9, 1.0], [1e-3, -2e-3, 1.0]])
    centre = H @ (20.5, 18.5, 1)
    warp = Warp(*map(F, (*centre, *H[:, 0], *H[:, 1])))
    image = SourceImage(pack_texels(source), np.int32(0), np.int32(60), np.int32(30))
    cost = correlation_cost(scratch.patch, scratch.quads, image, warp, F(2.25))

    values, weights = reference_patch(grey, 20, 18, offsets, 12)
    samples = []
    for a, b in zip(*offsets, strict=True):
        p = H @ (20.5 + a, 18.5 + b, 1)
        u, v = p[:2] / p[2] - 0.5
        c, r = int(u), int(v)
        du, dv = u - c, v - r
        quad = source[r : r + 2, c : c + 2].astype(float)
        samples.append((quad @ [1 - du, du]) @ [1 - dv, dv])
    samples = np.array(samples)
    ref, src = values - weights @ values, samples - weights @ samples
    ncc = (weights * ref) @ src / np.sqrt((weights @ ref**2 + 2.25) * (weights @ src**2 + 2.25))
    assert cost == pytest.approx(1 - ncc, abs=2e-5)


def test_the_right_plane_costs_nothing_and_a_wrong_one_does():
    views = plane_views()
    problem = build_problem(grey_view(views[0]), [grey_view(views[1])], None, (WIDTH, HEIGHT), (2.0, 9.0), SETTINGS)
    scratch = cpu.new_scratch()
    x, y = 60, 50
    load_reference(problem, scratch.patch, x, y)
    fx, fy, cx, cy = problem.camera
    ray = np.array([(x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy, 1])
    w, gx, gy = PLANE @ ray, PLANE[0] / fx, PLANE[1] / fy
    right = view_cost(problem, scratch, 0, F(x + 0.5), F(y + 0.5), Plane(F(w), F(gx), F(gy)))
    wrong = view_cost(problem, scratch, 0, F(x + 0.5), F(y + 0.5), Plane(F(w * 1.1), F(gx), F(gy)))
    flat = view_cost(problem, scratch, 0, F(x + 0.5), F(y + 0.5), Plane(F(w), F(0), F(0)))
    assert right < 0.02
    assert wrong > 0.3
    assert right < flat


@pytest.mark.parametrize("off_px", [-0.7, -0.4, -0.2, 0.2, 0.4, 0.7])
def test_a_depth_is_refined_to_a_fraction_of_a_pixel(off_px):
    views = [grey_view(view) for view in plane_views()]
    problem = build_problem(views[0], views[1:], None, (WIDTH, HEIGHT), (2.0, 9.0), SETTINGS)
    scratch = cpu.new_scratch()
    scratch.weights[:2], scratch.chosen[:2] = 0.5, (0, 1)
    fx, fy, cx, cy = problem.camera
    pixel, gx, gy = problem.search.inverse_shift, F(PLANE[0] / fx), F(PLANE[1] / fy)
    errors = []
    for x, y in itertools.product(range(30, WIDTH - 30, 8), range(20, HEIGHT - 20, 8)):
        load_reference(problem, scratch.patch, x, y)
        truth = F(PLANE @ ((x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy, 1))
        common = (problem, scratch, 2, F(x + 0.5), F(y + 0.5), Plane(F(truth + off_px * pixel), gx, gy))
        before = plane_cost(*common, F(9))
        w, after = refine_depth(*common, before, F(0.5) * pixel)
        assert after <= before
        errors.append(abs(w - truth) / pixel)
    assert np.median(errors) < 0.06


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.5, 50),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(-0.6, 0.6),
    st.floats(-0.6, 0.6),
    st.floats(200, 4000),
)
def test_plane_and_normal_are_inverse(depth, a, b, ray_x, ray_y, focal):
    normal = np.array([a, b, -2.0])
    normal /= np.linalg.norm(normal)
    ray, camera = Ray(F(ray_x), F(ray_y)), Intrinsics(F(focal), F(focal), F(0), F(0))
    plane = plane_from_normal(F(depth), tuple(map(F, normal)), ray, camera)
    assert plane.w == pytest.approx(1 / depth, rel=1e-6)
    back = normal_from_plane(plane, ray, camera)
    np.testing.assert_allclose(back, normal, atol=2e-5)


def test_planes_seen_edge_on_or_out_of_range_are_invisible():
    seen = Ray(F(0), F(0)), CAMERA, F(0.1), F(1.0)
    assert is_visible(Plane(F(0.5), F(0), F(0)), *seen)
    assert not is_visible(Plane(F(0.05), F(0), F(0)), *seen)
    assert not is_visible(Plane(F(1.5), F(0), F(0)), *seen)
    assert not is_visible(Plane(F(0.5), F(0.5), F(0)), *seen)


def test_ground_at_three_degrees_is_visible_and_at_one_is_not():
    where = Ray(F(0), F(0.08)), CAMERA, F(0.001), F(1.0)
    for degrees, seen in ((3, True), (1, False)):
        slope = 0.5 / np.tan(np.radians(degrees)) / 100
        assert is_visible(Plane(F(0.5), F(0), F(slope)), *where) == seen


def source_with(depth):
    """A problem whose only source has the depth map `depth`."""
    views = [grey_view(view) for view in plane_views()[:2]]
    return build_problem(views[0], views[1:], [depth.astype(F)], (WIDTH, HEIGHT), (1.0, 100.0), SETTINGS)


def test_depth_between_the_rows_of_flat_ground_is_exact_and_steps_are_not_bridged():
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    ground = source_with(100 / rows)
    for v in (10.25, 14.0, 30.75):
        assert source_depth_at(ground, 0, F(40.3), F(v)) == pytest.approx(100 / v, rel=1e-4)
    step = source_with(np.where(rows < 20, 5.0, 5.5))
    assert {source_depth_at(step, 0, F(40.3), F(v)) for v in (19.8, 20.2)} == {F(5.0), F(5.5)}
    behind = source_with(np.where(columns < 40, 6.0, 100 / rows))
    assert source_depth_at(behind, 0, F(39.9), F(20.25)) == F(6.0)


def test_neighbours_always_have_the_other_colour():
    for regions in (_NEAR, _FAR):
        assert (np.abs(regions).sum(1) % 2 == 1).all()


@pytest.mark.parametrize(("width", "height"), [(16, 12), (7, 5), (1, 9)])
def test_a_sweep_visits_every_pixel_once(monkeypatch, width, height):
    visits = np.zeros((height, width), int)

    def count(problem, state, sweep, scratch, x, y):
        visits[y, x] += 1

    monkeypatch.setattr(cpu, "visit_pixel", count)
    problem = SimpleNamespace(grey=np.zeros((height, width), np.uint8))
    for colour in (0, 1):
        before = visits.copy()
        for first, end in ((0, 3), (3, height)):
            cpu._sweep_rows.py_func(problem, None, SimpleNamespace(colour=colour), first, end, cpu.new_scratch())
        ys, xs = np.nonzero(visits - before)
        assert ((xs + ys) % 2 == colour).all()
    assert (visits == 1).all()


def test_the_window_is_fine_where_the_picture_shows_enough_and_wide_elsewhere():
    views = [grey_view(view) for view in plane_views()]
    views[0].grey[:, 64:] = 100 + np.arange(64) // 16
    patch = np.zeros(PATCH_FLOATS, F)
    for fine, x, radius in ((True, 30, 3), (True, 100, 5), (False, 30, 5)):
        problem = build_problem(views[0], views[1:], None, (WIDTH, HEIGHT), (2.0, 9.0), SETTINGS, fine)
        load_reference(problem, patch, x, 50)
        offsets = patch.reshape(6, SAMPLES)[2:4]
        assert np.abs(offsets).max() == radius
        np.testing.assert_array_equal(offsets, window_offsets(radius))


def test_a_pixel_starts_from_the_best_of_its_planes():
    views = plane_views()
    problem = build_problem(
        grey_view(views[0]), [grey_view(v) for v in views[1:]], None, (WIDTH, HEIGHT), (2, 9), SETTINGS
    )
    fx, fy, cx, cy = problem.camera
    x, y = 60, 50
    right = (PLANE @ ((x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy, 1), PLANE[0] / fx, PLANE[1] / fy)
    planes = {"right": right, "wrong": (right[0] * 1.1, 0, 0), "none": (0, 0, 0), "out of range": (0.7, 0, 0)}
    scratch = cpu.new_scratch()
    for names in (("right", "wrong"), ("wrong", "right"), ("wrong", "none", "right"), ("right", "out of range")):
        state = new_state(problem)
        starts = np.zeros((HEIGHT, WIDTH, len(names), 3), F)
        starts[y, x] = [planes[name] for name in names]
        start_pixel(problem, state, starts, scratch, 2, x, y)
        np.testing.assert_allclose(state.plane[y, x], right, rtol=1e-6)
        assert state.cost[y, x] == pytest.approx(state.view_cost[y, x].mean() / COST_SCALE, abs=1e-4)


def test_a_source_that_does_not_contain_a_plane_says_nothing_about_it():
    views = plane_views()
    greys = [grey_view(v) for v in views]
    aside = replace(greys[2], cam_from_world=pose((50.0, 0.0, 0.0)))
    problem = build_problem(greys[0], [greys[1], aside], None, (WIDTH, HEIGHT), (2.0, 9.0), SETTINGS)
    fx, fy, cx, cy = problem.camera
    x, y = 60, 50
    plane = Plane(*map(F, (PLANE @ ((x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy, 1), PLANE[0] / fx, PLANE[1] / fy)))
    scratch = cpu.new_scratch()
    load_reference(problem, scratch.patch, x, y)
    centre = F(x + 0.5), F(y + 0.5)
    right, absent = (view_cost(problem, scratch, s, *centre, plane) for s in range(2))
    assert right < 0.1
    assert absent == ABSENT
    scratch.weights[:2], scratch.chosen[:2] = (0.25, 0.75), (0, 1)
    half_seen = plane_cost(problem, scratch, 2, *centre, plane, F(9))
    assert half_seen == pytest.approx(0.25 * right + 0.75 * 0.8, abs=1e-5)
    scratch.weights[0], scratch.chosen[0] = 1, 1
    assert plane_cost(problem, scratch, 1, *centre, plane, F(9)) == 2


@given(st.lists(st.floats(0, 2, width=32), min_size=1, max_size=12), st.integers(1, 5))
def test_the_least_costs_are_kept_in_order(costs, views):
    kept, count = np.empty(16, F), 0
    for cost in costs:
        count = keep_least(kept, views, F(cost), count)
    np.testing.assert_array_equal(kept[:count], np.sort(F(costs))[:views])


def test_masked_pixels_have_no_weight_in_a_window():
    rng = np.random.default_rng(4)
    grey = rng.integers(100, 130, (20, 20)).astype(np.uint8)
    mask = np.ones(grey.shape, bool)
    mask[:, 12:] = False
    other = np.where(mask, grey, 255 - grey).astype(np.uint8)
    patches = np.zeros((2, PATCH_FLOATS), F)
    for patch, picture in zip(patches, (grey, other), strict=True):
        load_patch(problem_of(picture, mask), patch, WIDE, 10, 10)
    np.testing.assert_array_equal(patches[0], patches[1])
    assert patches[0, :SAMPLES].sum() == pytest.approx(1, abs=1e-5)


def test_nothing_matches_in_the_masked_area_of_a_source():
    views = plane_views()
    masked = np.ones((HEIGHT, WIDTH), bool)
    masked[:, 40:60] = False
    source = replace(grey_view(views[1]), mask=masked)
    problem = build_problem(grey_view(views[0]), [source], None, (WIDTH, HEIGHT), (2.0, 9.0), SETTINGS)
    fx, fy, cx, cy = problem.camera
    A, b = problem.forward[0, :, :3], problem.forward[0, :, 3]
    scratch = cpu.new_scratch()
    for x in range(40, 100):
        ray = np.array([(x + 0.5 - cx) / fx, (50.5 - cy) / fy, 1])
        plane = (PLANE @ ray, PLANE[0] / fx, PLANE[1] / fy)
        load_reference(problem, scratch.patch, x, 50)
        cost = view_cost(problem, scratch, 0, F(x + 0.5), F(50.5), Plane(*map(F, plane)))
        at = A @ (x + 0.5, 50.5, 1) + b * plane[0]
        assert (cost == 2) == (40 <= at[0] / at[2] < 60)


def test_random_numbers_are_uniform_and_fixed():
    numbers = np.array([uniform(np.uint32(stream), draw) for stream in range(200) for draw in range(20)])
    assert 0 <= numbers.min() < numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.02)
    assert numbers.var() == pytest.approx(1 / 12, abs=0.005)
    assert uniform(np.uint32(7), 3) == uniform(np.uint32(7), 3)


@pytest.mark.parametrize(("size", "levels"), [((768, 512), 3), ((3201, 2133), 5), ((150, 100), 1)])
def test_levels_halve_down_to_the_coarsest(size, levels):
    sizes = level_sizes(*size, coarsest_px=192)
    assert len(sizes) == levels
    assert sizes[-1] == size
    assert all(abs(2 * a[0] - b[0]) <= 1 for a, b in itertools.pairwise(sizes))
