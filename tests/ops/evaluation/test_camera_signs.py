"""The signs of cameras and points have the values that exact scenes give them."""

from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.judgement import JudgementSigns
from e2e3d.data.scene import Camera, Scene, SceneImage
from e2e3d.ops.evaluation.camera_signs import (
    error_ratio,
    focal_length_px,
    lens_distortion,
    points_a_photograph,
    principal_shift,
    relief_of_parallel_views,
    triangulation_angle_deg,
    view_elevation_deg,
    weakest_link,
)
from e2e3d.ops.evaluation.weigh_signs import weigh
from e2e3d.ops.geo.georeferencing import describe_origin

PINHOLE = Camera(1, "PINHOLE", 800, 600, (500.0, 500.0, 400.0, 300.0))


def scene(observations: list[tuple[int, int]], points: np.ndarray, centres: np.ndarray) -> Scene:
    """Cameras at `centres` that look along z; `observations` are (point, image), sorted."""
    images = tuple(SceneImage(f"{i}", i, 1, np.column_stack([np.eye(3), -centre])) for i, centre in enumerate(centres))
    point, image = np.array(observations, np.int32).T
    errors = np.full(len(points), 0.4, np.float32)
    return Scene(
        (PINHOLE,),
        images,
        points,
        np.zeros((len(points), 3), np.uint8),
        errors,
        image,
        point,
        np.zeros((len(point), 2)),
    )


def test_a_lens_without_distortion_moves_nothing() -> None:
    assert lens_distortion(PINHOLE) == pytest.approx(0, abs=1e-12)
    assert principal_shift(PINHOLE) == 0
    assert focal_length_px(PINHOLE) == 500


def test_the_corner_moves_as_the_lens_model_says() -> None:
    # the corner lies at 1000/500 / 2 = 1 on the plane z = 1; the undistorted radius r solves r (1 + k r^2) = 1
    assert lens_distortion(Camera(1, "SIMPLE_RADIAL", 800, 600, (500.0, 400.0, 300.0, 1.0))) == pytest.approx(
        1 - 0.6823278, abs=1e-4
    )


def test_a_shifted_centre_is_a_share_of_the_longer_side() -> None:
    assert principal_shift(replace(PINHOLE, params=(500.0, 500.0, 440.0, 270.0))) == pytest.approx(50 / 800)


def test_the_weakest_link_is_the_thinnest_of_the_best_chain() -> None:
    # 0-1 share 3 points, 1-2 share 2, 0-2 share 1: the chain 0-1-2 holds with 2
    pairs = [(0, 1)] * 3 + [(1, 2)] * 2 + [(0, 2)]
    observations = [(p, image) for p, pair in enumerate(pairs) for image in pair]
    found = scene(observations, np.ones((6, 3)), np.zeros((3, 3)))
    assert weakest_link(found) == 2
    assert points_a_photograph(found).tolist() == [4, 5, 3]


def test_parts_that_share_nothing_have_no_link() -> None:
    observations = [(0, 0), (0, 1), (1, 2), (1, 3)]
    assert weakest_link(scene(observations, np.ones((2, 3)), np.zeros((4, 3)))) == 0


def test_angle_elevation_and_error() -> None:
    centres = np.array([[-1.0, 0, 0], [1.0, 0, 0]])
    found = scene([(0, 0), (0, 1)], np.array([[0.0, 0, 1]]), centres)
    assert triangulation_angle_deg(found) == pytest.approx(90)
    assert view_elevation_deg(found) == pytest.approx(90)  # they look along z, which is up
    assert error_ratio(found) == pytest.approx(0.4)
    large = replace(PINHOLE, width_px=4000, height_px=3000)
    assert error_ratio(replace(found, cameras=(large,))) == pytest.approx(0.1)


def test_parts_of_one_picture_are_flat_before_parallel_views() -> None:
    random = np.random.default_rng(3)
    points = np.column_stack([random.uniform(-2, 2, (60, 2)), 5 + random.normal(0, 0.001, 60)])
    centres = np.column_stack([np.linspace(-1, 1, 5), np.zeros((5, 2))])
    cut = scene([(p, i) for p in range(60) for i in range(5)], points, centres)
    assert relief_of_parallel_views(cut) == pytest.approx(0.001 / 5, rel=0.3)
    (reason,) = weigh(JudgementSigns(5, 5, parallel_relief=relief_of_parallel_views(cut))).reasons
    assert reason.code == "no-depth"
    relief = replace(cut, points_world=points * [1, 1, 0.9] + random.normal(0, 0.1, (60, 1)) * [0, 0, 1])
    assert weigh(JudgementSigns(5, 5, parallel_relief=relief_of_parallel_views(relief))).reasons == ()
    turn = np.array([[np.cos(0.01), 0, np.sin(0.01)], [0, 1, 0], [-np.sin(0.01), 0, np.cos(0.01)]])
    turned = replace(cut.images[2], cam_from_world=turn @ cut.images[2].cam_from_world)
    held_by_hand = replace(cut, images=(*cut.images[:2], turned, *cut.images[3:]))
    assert relief_of_parallel_views(held_by_hand) is None
    assert relief_of_parallel_views(replace(cut, georeference=describe_origin((47.0, 8.0, 400.0), 0.1))) is None
