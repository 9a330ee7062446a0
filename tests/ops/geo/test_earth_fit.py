"""The frame of simulated flights: never upside down, never mirrored, and what is doubtful is said."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.photo import GpsPosition
from tests.ops.flights import (
    CURITIBA,
    DULUTH,
    SYDNEY,
    ZURICH,
    Flight,
    flight,
    grid,
    heading_error_deg,
    scale_ratio,
    tilt_deg,
)

NO_LETTERS = ("no-latitude-letter", "no-longitude-letter")


def flown(seed: int, rows: int = 3, columns: int = 6, step_m: float = 14.0, turned_deg: float = 0.0, **more) -> Flight:
    """To and fro, the camera turning with the drone."""
    centres, headings = grid(np.random.default_rng(seed), rows, columns, step_m)
    return flight(centres, headings + turned_deg, seed=seed, **more)


def crabbed(seed: int, rows: int = 3, columns: int = 6, step_m: float = 14.0, **more) -> Flight:
    """To and fro, the camera keeping its heading."""
    centres, headings = grid(np.random.default_rng(seed), rows, columns, step_m)
    return flight(centres, headings[0], seed=seed, **more)


def codes(scene) -> set[str]:
    return {remark.code for remark in scene.remarks}


def near(scene, place: tuple[float, float]) -> bool:
    return bool(np.allclose(scene.georeference.origin[:2], place, atol=0.01))


def ground_below(scene) -> bool:
    heights = [-(image.cam_from_world[:, :3].T @ image.cam_from_world[:, 3])[2] for image in scene.images]
    return bool(np.median(scene.points_world[:, 2]) < min(heights))


@pytest.mark.parametrize("shake_deg", [0.0, 1.5])
def test_two_hundred_grids_with_two_headings_stand_right_without_gps(shake_deg: float) -> None:
    for seed in range(100):
        truth = flown(seed, gps=False, shake_deg=shake_deg)
        scene = truth.placed(seed)
        assert scene.frame == "upright"
        assert tilt_deg(scene, truth) < 3
        assert ground_below(scene)


def test_strips_stand_right_without_gps() -> None:
    for seed in range(50):
        truth = flown(seed, rows=1, gps=False)
        scene = truth.placed(seed)
        assert scene.frame == "upright"
        assert tilt_deg(scene, truth) < 3


def test_what_only_movement_tells_of_up_is_said() -> None:
    """A facade taken with the camera on its side, of which no EXIF tells, moves as a flight over the ground does."""
    along = np.linspace(-20, 20, 9)[:, None]
    centres = along * [1.0, 0.0, 0.0] + [0.0, 0.0, 1.6]
    upright = flight(centres, 0.0, 0.0, gps=False, shake_deg=0.2)
    roll = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    images = tuple(replace(image, cam_from_world=roll @ image.cam_from_world) for image in upright.scene.images)
    scene = replace(upright, scene=replace(upright.scene, images=images)).placed(0)
    assert scene.frame == "upright"
    assert codes(scene) == {"up-by-movement"}
    assert "down at the ground" in scene.remarks[0].message
    assert codes(flown(1, gps=False).placed(1)) == set()


def test_parallel_views_that_move_sideways_are_not_guessed() -> None:
    turned = [flown(seed, rows=1, turned_deg=90.0, gps=False).placed(seed) for seed in range(10)]
    assert {scene.frame for scene in turned} == {"arbitrary"}
    assert all(codes(scene) == {"up-unknown"} for scene in turned)


@pytest.mark.parametrize("turned_deg", [0.0, 90.0])
def test_a_strip_with_gps_has_place_heading_and_scale_and_the_ground_below(turned_deg: float) -> None:
    for seed in range(12):
        truth = flown(seed, rows=1, turned_deg=turned_deg)
        scene = truth.placed(seed)
        assert scene.frame == "georeferenced"
        assert near(scene, DULUTH)
        assert tilt_deg(scene, truth) < 2
        assert heading_error_deg(scene, truth) < 2
        assert scale_ratio(scene, truth) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("fly", [flown, crabbed])
@pytest.mark.parametrize("pitch_deg", [-90.0, -45.0])
def test_flights_with_gps_are_level_to_half_a_degree(fly: Callable[..., Flight], pitch_deg: float) -> None:
    for seed in range(6):
        truth = fly(seed, pitch_deg=pitch_deg)
        scene = truth.placed(seed)
        assert scene.frame == "georeferenced"
        assert scene.remarks == ()
        assert tilt_deg(scene, truth) < 0.6
        assert scene.georeference.horizontal_error_m < 0.7
        assert scene.georeference.vertical_error_m < 0.5


def test_a_facade_stays_upright() -> None:
    for seed in range(8):
        heading = float(np.random.default_rng(seed).uniform(0, 360))
        along = np.linspace(-20, 20, 9)[:, None]
        east_north = [np.cos(np.radians(heading)), -np.sin(np.radians(heading))]
        centres = np.concatenate([along * east_north, np.full((9, 1), 1.6)], 1)
        truth = flight(centres, heading, 0.0, seed=seed, place_noise_m=1.5, height_noise_m=2.0)
        scene = truth.placed(seed)
        assert scene.frame in ("georeferenced", "arbitrary")
        assert scene.frame == "arbitrary" or tilt_deg(scene, truth) < 7


def without_letters(_: int, gps: GpsPosition) -> GpsPosition:
    return replace(
        gps, latitude_deg=abs(gps.latitude_deg), longitude_deg=abs(gps.longitude_deg), doubts=(*gps.doubts, *NO_LETTERS)
    )


@pytest.mark.parametrize("place", [DULUTH, SYDNEY, ZURICH])
@pytest.mark.parametrize("fly", [flown, crabbed])
def test_missing_letters_are_told_and_mended_where_only_one_reading_is_land(
    fly: Callable[..., Flight], place: tuple[float, float]
) -> None:
    truth = fly(3, place=place).with_positions(without_letters)
    scene = truth.placed(3)
    assert codes(scene) == {"gps-reading-mended"}
    assert "N or S" in scene.remarks[0].message
    assert near(scene, place)
    assert tilt_deg(scene, truth) < 0.6
    assert heading_error_deg(scene, truth) < 1


def test_missing_letters_that_stay_open_leave_scale_and_level() -> None:
    truth = flown(3, place=CURITIBA).with_positions(without_letters)  # 25 N, 49 E is in Saudi Arabia
    scene = truth.placed(3)
    assert scene.frame == "metric"
    assert scene.georeference is None
    assert codes(scene) == {"gps-reading-unclear"}
    assert tilt_deg(scene, truth) < 0.6
    assert scale_ratio(scene, truth) == pytest.approx(1, abs=0.02)


def test_headings_of_the_gimbal_settle_missing_letters() -> None:
    truth = flown(3, place=CURITIBA, attitudes=True).with_positions(without_letters)
    scene = truth.placed(3)
    assert near(scene, CURITIBA)
    assert heading_error_deg(scene, truth) < 1


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (DULUTH, lambda _, gps: replace(gps, longitude_deg=-gps.longitude_deg)),
        (SYDNEY, lambda _, gps: replace(gps, latitude_deg=-gps.latitude_deg)),
        (ZURICH, lambda _, gps: replace(gps, latitude_deg=gps.longitude_deg, longitude_deg=gps.latitude_deg)),
    ],
    ids=["wrong longitude letter", "wrong latitude letter", "exchanged"],
)
def test_a_mirrored_statement_is_never_used(place: tuple[float, float], change) -> None:
    for fly in (flown, crabbed):
        truth = fly(5, place=place).with_positions(change)
        scene = truth.placed(5)
        assert codes(scene) <= {"gps-reading-mended", "gps-reading-unclear"}
        assert codes(scene)
        assert tilt_deg(scene, truth) < 0.6
        assert scene.georeference is None or near(scene, place)


def test_a_wild_fix_is_named_and_costs_nothing() -> None:
    for fly in (flown, crabbed):
        clean = fly(2)
        truth = clean.with_positions(
            lambda i, gps: replace(gps, latitude_deg=12.0, longitude_deg=33.0) if i == 4 else gps
        )
        scene = truth.placed(2)
        assert scene.frame == "georeferenced"
        assert [remark.code for remark in scene.remarks] == ["gps-outlier"]
        assert scene.remarks[0].photographs == ("004.jpg",)
        assert tilt_deg(scene, truth) < 0.6
        assert near(scene, DULUTH)


def test_a_wild_height_is_named_and_costs_nothing() -> None:
    truth = flown(2).with_positions(lambda i, gps: replace(gps, altitude_m=9000.0) if i == 4 else gps)
    scene = truth.placed(2)
    assert [(remark.code, remark.photographs) for remark in scene.remarks] == [("gps-height-outlier", ("004.jpg",))]
    assert tilt_deg(scene, truth) < 0.6


@pytest.mark.parametrize("fly", [flown, crabbed])
def test_heights_that_climb_are_not_used_and_places_that_wander_are(fly: Callable[..., Flight]) -> None:
    for seed in range(4):
        truth = fly(seed, rows=5, columns=15, step_m=20.0, place_noise_m=10.0, height_noise_m=3.0, climb_m=110.0)
        scene = truth.placed(seed)
        assert scene.frame == "georeferenced"
        assert not scene.georeference.heights_known
        assert scene.georeference.vertical_error_m > 20
        assert {"gps-heights-unusable", "gps-coarse"} <= codes(scene)
        assert tilt_deg(scene, truth) < 1.5
        assert abs(scale_ratio(scene, truth) - 1) < scene.georeference.scale_bound < 0.2
        assert heading_error_deg(scene, truth) < 4


def test_without_heights_the_views_give_the_level() -> None:
    truth = flown(1).with_positions(lambda _, gps: replace(gps, altitude_m=None))
    scene = truth.placed(1)
    assert scene.frame == "georeferenced"
    assert codes(scene) == {"gps-no-heights"}
    assert scene.georeference.vertical_error_m is None
    assert tilt_deg(scene, truth) < 2


def test_positions_that_are_not_used_are_explained() -> None:
    few = flown(1).with_positions(lambda i, gps: gps if i < 2 else None).placed(1)
    still = flown(1).with_positions(lambda i, gps: GpsPosition(46.8, -92.0, 200.0)).placed(1)
    random = np.random.default_rng(0)
    noise = flown(1).with_positions(
        lambda i, gps: replace(
            gps, latitude_deg=46.8 + random.normal(0, 1e-3), longitude_deg=-92 + random.normal(0, 1e-3)
        )
    )
    assert [codes(scene) for scene in (few, still, noise.placed(1))] == [{"gps-too-few"}, {"gps-still"}, {"gps-no-fit"}]
    assert {few.frame, still.frame} == {"upright"}


def test_stated_accuracies_let_a_small_path_count() -> None:
    precise = flown(1, step_m=0.6, place_noise_m=0.02, height_noise_m=0.03)
    assert precise.placed(1).frame == "upright"
    stated = precise.with_positions(lambda _, gps: replace(gps, horizontal_accuracy_m=0.02, vertical_accuracy_m=0.03))
    scene = stated.placed(1)
    assert scene.frame == "georeferenced"
    assert scale_ratio(scene, stated) == pytest.approx(1, abs=0.1)


def test_letters_that_some_photographs_lack_are_those_of_the_others() -> None:
    truth = flown(2).with_positions(lambda i, gps: without_letters(i, gps) if i % 3 == 0 else gps)
    scene = truth.placed(2)
    assert scene.frame == "georeferenced"
    assert scene.remarks == ()
    assert near(scene, DULUTH)


def test_headings_that_contradict_the_only_place_on_land_leave_it_open() -> None:
    turned = flown(3, attitudes=True).with_positions(without_letters)
    photos = tuple(
        replace(photo, attitude=replace(photo.attitude, yaw_deg=photo.attitude.yaw_deg + 180))
        for photo in turned.photos
    )
    scene = replace(turned, photos=photos).placed(3)
    assert scene.frame == "metric"
    assert codes(scene) == {"gps-reading-unclear"}
    stated = flown(3, attitudes=True)
    photos = tuple(
        replace(photo, attitude=turned_photo.attitude)
        for photo, turned_photo in zip(stated.photos, photos, strict=True)
    )
    believed = replace(stated, photos=photos).placed(3)
    assert near(believed, DULUTH)  # letters that stand and fit are believed, with a word
    assert codes(believed) == {"gps-headings-differ"}


@pytest.mark.parametrize("wild", [(0, 5, 11), (6, 7, 8, 9, 10)])
def test_several_wild_fixes_cost_nothing(wild: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    truth = crabbed(4).with_positions(
        lambda i, gps: replace(gps, latitude_deg=gps.latitude_deg + random.normal(0, 0.02)) if i in wild else gps
    )
    scene = truth.placed(4)
    assert scene.frame == "georeferenced"
    assert {name for remark in scene.remarks for name in remark.photographs} == {f"{i:03d}.jpg" for i in wild}
    assert tilt_deg(scene, truth) < 0.6
    assert scale_ratio(scene, truth) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("every", [2, 3])
def test_letters_that_contradict_each_other_are_those_of_most_or_of_the_only_land(every: int) -> None:
    truth = flown(2).with_positions(
        lambda i, gps: replace(gps, longitude_deg=-gps.longitude_deg) if i % every == 0 else gps
    )
    scene = truth.placed(2)
    assert scene.frame == "georeferenced"
    assert near(scene, DULUTH)
    assert tilt_deg(scene, truth) < 0.6
    assert heading_error_deg(scene, truth) < 1
    differing = next(remark for remark in scene.remarks if remark.code == "gps-letters-differ")
    assert len(differing.photographs) == 18 // every


def test_a_set_on_both_sides_of_the_antimeridian_keeps_its_letters() -> None:
    truth = flown(2, place=(-16.8, 180.0))
    scene = truth.placed(2)
    assert {photo.gps.longitude_deg > 0 for photo in truth.photos} == {True, False}
    assert scene.remarks == ()
    assert scene.georeference.horizontal_error_m < 0.7


def test_both_letters_wrong_in_the_open_ocean_are_mended() -> None:
    truth = flown(3).with_positions(
        lambda _, gps: replace(gps, latitude_deg=-gps.latitude_deg, longitude_deg=-gps.longitude_deg)
    )
    scene = truth.placed(3)
    assert codes(scene) == {"gps-reading-mended"}
    assert "ocean" in scene.remarks[0].message
    assert near(scene, DULUTH)
    assert heading_error_deg(scene, truth) < 1


def test_heights_of_exactly_zero_are_not_known() -> None:
    none = flown(1).with_positions(lambda _, gps: replace(gps, altitude_m=0.0)).placed(1)
    assert codes(none) == {"gps-zero-height", "gps-no-heights"}
    assert not none.georeference.heights_known
    half = flown(1).with_positions(lambda i, gps: replace(gps, altitude_m=0.0) if i % 2 else gps).placed(1)
    assert codes(half) == {"gps-zero-height"}
    assert half.georeference.heights_known
    assert half.georeference.vertical_error_m < 0.5
    sea = flown(1).with_positions(lambda i, gps: replace(gps, altitude_m=gps.altitude_m - 245.0 if i else 0.0))
    assert codes(sea.placed(1)) == set()


def exchanged(gps: GpsPosition) -> GpsPosition:
    return replace(gps, latitude_deg=gps.longitude_deg, longitude_deg=gps.latitude_deg)


@pytest.mark.parametrize("wrong", [(1, 2, 7), tuple(range(0, 18, 2)), tuple(range(1, 18, 2))])
@pytest.mark.parametrize("fly", [flown, crabbed])
def test_coordinates_exchanged_in_some_photographs_are_put_right(
    fly: Callable[..., Flight], wrong: tuple[int, ...]
) -> None:
    truth = fly(5, place=ZURICH).with_positions(lambda i, gps: exchanged(gps) if i in wrong else gps)
    scene = truth.placed(5)
    assert near(scene, ZURICH)
    assert "gps-order-differs" in codes(scene) <= {"gps-order-differs", "gps-reading-mended"}
    assert scale_ratio(scene, truth) == pytest.approx(1, abs=0.01)
    assert heading_error_deg(scene, truth) < 1
    assert tilt_deg(scene, truth) < 0.6


@pytest.mark.parametrize("stated_by", [lambda i: i - i % 3, lambda i: min(i, 8)], ids=["every third", "then none"])
def test_a_receiver_that_states_its_last_fix_again_costs_nothing(stated_by: Callable[[int], int]) -> None:
    clean = flown(5)
    fixes = [photo.gps for photo in clean.photos]
    truth = clean.with_positions(lambda i, _: fixes[stated_by(i)])
    scene = truth.placed(5)
    assert scene.remarks[0].code == "gps-held-fix"
    assert scene.remarks[0].photographs == tuple(f"{i:03d}.jpg" for i in range(18) if stated_by(i) != i)
    assert scale_ratio(scene, truth) == pytest.approx(1, abs=0.02)
    assert heading_error_deg(scene, truth) < 1


def test_equal_places_of_a_camera_that_stood_still_are_used() -> None:
    clean = flown(5)
    again = [*clean.scene.images, *(replace(image, photo_index=18 + i) for i, image in enumerate(clean.scene.images))]
    bracketed = replace(clean, scene=replace(clean.scene, images=tuple(again)), photos=(*clean.photos, *clean.photos))
    assert bracketed.placed(5).remarks == ()
