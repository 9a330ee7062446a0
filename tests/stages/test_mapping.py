from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.agreement import StillRegions
from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.photo import CameraGuess, GpsPosition
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.errors import InputError, ReconstructionError, SettingsError
from e2e3d.ops.geo.geodesy import wgs84_from_local
from e2e3d.ops.geo.georeferencing import describe_origin
from e2e3d.ops.geo.scene_frame import KnownDistance, camera_centres
from e2e3d.ops.sfm.incremental_mapping import build_database, only_turned
from e2e3d.stages import mapping
from e2e3d.stages.stage import RunContext
from tests.ops.synthetic_sfm import (
    K,
    SyntheticSet,
    arc_poses,
    make_set,
    match_all,
    match_by_points,
    pose_errors,
    project,
    turning_poses,
    with_marks,
)


def map_set(scene: SyntheticSet, block: MatchBlock, threads: int = 1, mapper: str = "incremental", **extra) -> Mapping:
    inputs = mapping.MappingInputs(scene.photos, scene.feature_refs(), (Ref.of(block),), **extra)
    return mapping.run(inputs, mapping.MappingConfig(mapper=mapper), RunContext(threads=threads))


def poses_of(result: Mapping) -> dict[int, np.ndarray]:
    return {image.photo_index: image.cam_from_world for image in result.scene.images}


@pytest.fixture(scope="module")
def arc() -> SyntheticSet:
    return make_set(arc_poses(8))


@pytest.fixture(scope="module")
def arc_block(arc: SyntheticSet) -> MatchBlock:
    return match_all(arc)


@pytest.mark.parametrize("mapper", ["incremental", "global"])
def test_known_intrinsics_give_exact_poses_and_stay(arc: SyntheticSet, arc_block: MatchBlock, mapper: str) -> None:
    result = map_set(arc, arc_block, mapper=mapper)
    distance, angle = pose_errors(poses_of(result), arc.poses)
    assert distance < 0.004  # metres, six metres away with noise of 0.2 pixels
    assert angle < 0.03
    assert result.scene.cameras[0].model == "PINHOLE"
    assert result.scene.cameras[0].params == (1000.0, 1000.0, 590.0, 460.0)
    assert result.component_sizes == (8,)
    assert result.left_out == ()
    assert result.scene.errors_px.mean() < 0.4


def test_self_calibration_finds_focal_length_principal_point_and_distortion() -> None:
    scene = make_set(arc_poses(10), 900, 0.1, known_intrinsics=False, radial=-0.08)
    (camera,) = map_set(scene, match_all(scene)).scene.cameras
    assert camera.model in ("SIMPLE_RADIAL", "RADIAL")
    np.testing.assert_allclose(camera.params[:4], [1000, 590, 460, -0.08], rtol=0.01, atol=0.01)


def test_few_photographs_keep_the_principal_point_in_the_middle() -> None:
    scene = make_set(arc_poses(4, 40), known_intrinsics=False)
    (camera,) = map_set(scene, match_all(scene)).scene.cameras
    assert camera.params[1:3] == (600.0, 450.0)


def test_the_result_is_the_same_every_time_whatever_the_threads(arc: SyntheticSet, arc_block: MatchBlock) -> None:
    first, second = map_set(arc, arc_block), map_set(arc, arc_block, threads=2)
    np.testing.assert_array_equal(first.scene.points_world, second.scene.points_world)
    for a, b in zip(first.scene.images, second.scene.images, strict=True):
        np.testing.assert_array_equal(a.cam_from_world, b.cam_from_world)


def test_without_gps_the_model_stands_upright(arc: SyntheticSet, arc_block: MatchBlock) -> None:
    scene = map_set(arc, arc_block).scene
    assert scene.frame == "upright"
    assert scene.georeference is None
    tops = np.array([-image.cam_from_world[1, :3] for image in scene.images])
    true_tops = -arc.poses[:, 1, :3]
    np.testing.assert_allclose(tops[:, 2], true_tops[:, 2], atol=2e-3)
    np.testing.assert_allclose(np.median(scene.points_world, axis=0), 0, atol=1e-9)


def test_points_take_the_colours_of_their_keypoints(arc: SyntheticSet, arc_block: MatchBlock) -> None:
    scene = map_set(arc, arc_block).scene
    first = scene.images[0]
    mine = scene.observation_image == 0
    keypoints = arc.features[first.photo_index].keypoints_px[:, :2]
    for px, point in zip(scene.observation_px[mine][:50], scene.observation_point[mine][:50], strict=True):
        keypoint = np.linalg.norm(keypoints - px, axis=1).argmin()
        assert scene.colors[point, 0] == arc.features[first.photo_index].colors[keypoint, 0]


def test_gps_gives_a_metric_frame_on_the_earth(arc: SyntheticSet, arc_block: MatchBlock) -> None:
    origin = (47.3, 8.5, 430.0)
    local = arc.centres() * 10
    geodetic = wgs84_from_local(local, describe_origin(origin, 0.0))
    located = arc.with_gps([GpsPosition(*map(float, row)) for row in geodetic])
    scene = map_set(located, arc_block).scene
    assert scene.frame == "georeferenced"
    assert scene.georeference is not None
    assert scene.georeference.epsg == 32632
    assert scene.georeference.rms_error_m < 0.1
    baseline = np.linalg.norm(np.diff(camera_centres(scene), axis=0), axis=1)
    np.testing.assert_allclose(baseline, np.linalg.norm(np.diff(local, axis=0), axis=1), rtol=0.01)


def test_gps_that_never_moves_is_ignored(arc: SyntheticSet, arc_block: MatchBlock) -> None:
    still = arc.with_gps([GpsPosition(47.3, 8.5, 430.0)] * len(arc.photos))
    assert map_set(still, arc_block).scene.frame == "upright"


def test_a_known_distance_makes_the_model_metric(arc: SyntheticSet, arc_block: MatchBlock) -> None:
    true = float(np.linalg.norm(arc.centres()[0] - arc.centres()[7]))
    scene = map_set(arc, arc_block, known_distance=KnownDistance("000.jpg", "007.jpg", true)).scene
    assert scene.frame == "metric"
    centres = camera_centres(scene)
    np.testing.assert_allclose(
        np.linalg.norm(centres - centres[3], axis=1),
        np.linalg.norm(arc.centres() - arc.centres()[3], axis=1),
        atol=0.01,
    )
    plain = map_set(arc, arc_block).scene
    scaled = map_set(arc, arc_block, scale=2.5).scene
    np.testing.assert_allclose(scaled.points_world, 2.5 * plain.points_world)


def test_an_unknown_name_in_the_known_distance_is_told(arc: SyntheticSet, arc_block: MatchBlock) -> None:
    with pytest.raises(InputError, match=r"Did you mean 007\.jpg") as caught:
        map_set(arc, arc_block, known_distance=KnownDistance("000.jpg", "07.jpg", 1.0))
    assert caught.value.code == "unknown-photograph"


def merged(first: SyntheticSet, second: SyntheticSet) -> SyntheticSet:
    start = len(first.photos)
    renamed = tuple(replace(photo, name=f"{start + i:03d}.jpg") for i, photo in enumerate(second.photos))
    return replace(
        first,
        photos=first.photos + renamed,
        features=first.features + second.features,
        poses=np.concatenate([first.poses, second.poses]),
        point_ids=first.point_ids + second.point_ids,
    )


def test_every_photograph_left_out_has_its_reason(arc: SyntheticSet) -> None:
    scene = merged(arc, make_set(arc_poses(4), seed=7))
    lonely, plain = make_set(arc_poses(1), seed=9), make_set(arc_poses(1), 60, seed=10)
    soft = make_set(arc_poses(1), seed=11)
    soft = replace(soft, photos=(replace(soft.photos[0], sharpness=1.0),))
    scene = merged(merged(merged(scene, lonely), plain), soft)
    result = map_set(scene, match_all(scene))
    assert result.component_sizes == (8, 4)
    assert [left.code for left in result.left_out] == [
        *["other-component"] * 4,
        *["no-overlap", "too-few-features", "blurred"],
    ]
    assert "separate model of 4 photographs" in result.left_out[0].reason


def failure_code(scene: SyntheticSet) -> str:
    with pytest.raises(ReconstructionError) as caught:
        map_set(scene, match_all(scene))
    assert caught.value.hint
    return caught.value.code


def test_a_turning_camera_is_told() -> None:
    assert failure_code(make_set(turning_poses(6))) == "pure-rotation"
    assert failure_code(make_set(turning_poses(6), known_intrinsics=False)) == "pure-rotation"


@pytest.mark.parametrize("stated", [(2.0, 2.0), (1.0, 2.0)], ids=["all wrong", "half wrong"])
def test_a_turning_camera_is_told_whatever_its_files_state(stated: tuple[float, float]) -> None:
    scene = make_set(turning_poses(6), known_intrinsics=False)
    guesses = [CameraGuess(f"stated {factor}", 1000 * factor, "exif") for factor in stated]
    photos = tuple(replace(photo, camera=guesses[i % 2]) for i, photo in enumerate(scene.photos))
    assert failure_code(replace(scene, photos=photos)) == "pure-rotation"


@pytest.mark.parametrize(("configuration", "turned"), [(7, True), (2, False)], ids=["watermark", "calibrated"])
def test_narrow_overlaps_that_look_like_a_watermark_do_not_hide_that_a_camera_turned(
    configuration: int, turned: bool
) -> None:
    scene = make_set(turning_poses(6), known_intrinsics=False)
    block = match_by_points(scene)
    block.configurations[::4] = configuration
    database, _ = build_database(scene.photos, [found.keypoints_px for found in scene.features], [block])
    assert only_turned(database) == turned


def test_a_camera_that_turned_and_zoomed_shows_no_depth() -> None:
    scene = make_set(turning_poses(6), known_intrinsics=False)
    for found in scene.features[::2]:
        found.keypoints_px[:, :2] = 1.4 * (found.keypoints_px[:, :2] - K[:2, 2]) + K[:2, 2]
    assert failure_code(scene) == "pure-rotation"


def test_identical_photographs_are_told() -> None:
    assert failure_code(make_set(np.repeat(arc_poses(1), 5, axis=0), noise_px=0.0)) == "identical-photographs"


def test_marks_in_the_picture_do_no_harm(arc: SyntheticSet) -> None:
    """Twice as many marks as there are points: without care the camera "never moved"."""
    first = replace(arc, photos=arc.photos[:6], features=arc.features[:6], point_ids=arc.point_ids[:6])
    scene = with_marks(first, 1000)
    result = map_set(scene, match_all(scene))
    distance, angle = pose_errors(poses_of(result), arc.poses)
    assert result.component_sizes == (6,)
    assert distance < 0.006
    assert angle < 0.05
    assert result.still is not None
    assert result.still.shares.min() > 0.5


def test_a_subject_without_features_before_a_fixed_background_is_told_as_such() -> None:
    scene = make_set(arc_poses(1), 250, seed=1)
    for seed in range(2, 5):
        scene = merged(scene, make_set(arc_poses(1), 250, seed=seed))
    regions = Ref.of(StillRegions(1.0, (np.ones((3, 4), np.bool_),) * 4))
    with pytest.raises(ReconstructionError) as caught:
        map_set(scene, match_all(scene), still=regions)
    assert caught.value.code == "stands-still"
    assert "masks" in caught.value.hint


def test_no_overlap_is_told() -> None:
    scene = make_set(arc_poses(1), seed=1)
    for seed in range(2, 6):
        scene = merged(scene, make_set(arc_poses(1), seed=seed))
    assert failure_code(scene) == "no-overlap"


def test_a_blank_wall_is_told(arc: SyntheticSet) -> None:
    nothing = Features(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8), np.zeros((0, 3), np.uint8))
    assert failure_code(replace(arc, features=(nothing,) * len(arc.photos))) == "no-features"


def test_two_overlapping_photographs_are_too_few() -> None:
    assert failure_code(make_set(arc_poses(2, 15))) == "too-little-overlap"


def test_a_flat_subject_is_fine() -> None:
    scene = make_set(arc_poses(6))
    flat = scene.points * [1, 0, 1]
    random = np.random.default_rng(0)
    features = []
    for pose, feature, ids in zip(scene.poses, scene.features, scene.point_ids, strict=True):
        positions = project(flat[ids], pose)[0] + random.normal(0, 0.2, (len(ids), 2))
        keypoints = feature.keypoints_px.copy()
        keypoints[:, :2] = positions
        features.append(replace(feature, keypoints_px=keypoints))
    scene = replace(scene, features=tuple(features))
    result = map_set(scene, match_all(scene))
    distance, angle = pose_errors(poses_of(result), scene.poses)
    assert distance < 0.03
    assert angle < 0.2


def test_settings_are_checked() -> None:
    for wrong in ({"mapper": "magic"}, {"min_matches": 3}, {"max_error_px": 0.0}):
        with pytest.raises(SettingsError):
            mapping.MappingConfig(**wrong)


def test_photographs_that_share_few_points_are_mapped_with_less_asked_for() -> None:
    scene = make_set(arc_poses(8), points_count=36, visible=0.75, seed=3)
    assert max(map(len, scene.point_ids)) <= 30  # COLMAP asks for more than that to register a photograph
    result = map_set(scene, match_all(scene))
    distance, angle = pose_errors(poses_of(result), scene.poses)
    assert result.component_sizes == (8,)
    assert distance < 0.02
    assert angle < 0.2


@pytest.mark.slow
def test_a_lens_beyond_its_limits_is_refused_to_the_end() -> None:
    scene = make_set(arc_poses(6), 400, known_intrinsics=False, radial=-1.4)
    (camera,) = map_set(scene, match_all(scene)).scene.cameras
    distortion = camera.params[4:] if camera.model == "OPENCV" else camera.params[3:]
    assert np.abs(distortion).max() <= 1.0
