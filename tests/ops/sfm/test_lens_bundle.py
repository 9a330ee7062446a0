from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.photo import CameraGuess, Photo
from e2e3d.data.scene import Camera, Scene, SceneImage
from e2e3d.ops.sfm.lens_bundle import adjust, residuals_px
from e2e3d.ops.sfm.lens_groups import LensGrouping, bundle_of, determined_cameras, doubtful, undetermined_cameras
from e2e3d.ops.sfm.lens_remarks import lens_remarks
from tests.ops.synthetic_sfm import HEIGHT, WIDTH, K, arc_poses, project

POINTS = np.random.default_rng(5).uniform([-1.6, -1.2, 0.0], [1.6, 1.2, 2.2], (250, 3))
STRIP = np.array([[[1.0, 0, 0, -x], [0, -1, 0, 0], [0, 0, -1, 6]] for x in np.linspace(-2, 2, 6)])  # from 6 m above
GROUND = np.random.default_rng(6).uniform([-4, -2, 0], [4, 2, 0.02], (250, 3))


def scene_of(poses: np.ndarray, points: np.ndarray, radial: float = 0.0, noise_px: float = 0.2) -> Scene:
    """What the cameras of `K` see of the points, exact but for the noise of the observations."""
    random = np.random.default_rng(1)
    camera = Camera(1, "SIMPLE_RADIAL", WIDTH, HEIGHT, (K[0, 0], K[0, 2], K[1, 2], radial))
    image, point, positions = [], [], []
    for i, pose in enumerate(poses):
        projected, seen = project(points, pose, radial)
        image.append(np.full(seen.sum(), i))
        point.append(np.flatnonzero(seen))
        positions.append(projected[seen] + random.normal(0, noise_px, (seen.sum(), 2)))
    order = np.argsort(np.concatenate(point), kind="stable")
    return Scene(
        cameras=(camera,),
        images=tuple(SceneImage(f"{i}.jpg", i, 1, pose) for i, pose in enumerate(poses)),
        points_world=points,
        colors=np.zeros((len(points), 3), np.uint8),
        errors_px=np.zeros(len(points), np.float32),
        observation_image=np.concatenate(image)[order].astype(np.int32),
        observation_point=np.concatenate(point)[order].astype(np.int32),
        observation_px=np.concatenate(positions)[order].astype(np.float32),
    )


def photos_of(count: int, focal_px: float, source: str) -> tuple[Photo, ...]:
    return tuple(
        Photo(f"{i}.jpg", f"{i:064x}", WIDTH, HEIGHT, CameraGuess("one", focal_px, source)) for i in range(count)
    )


def test_intrinsics_come_back_from_a_wrong_start() -> None:
    scene = scene_of(arc_poses(8), POINTS, radial=-0.1)
    one = np.zeros(8, np.int64)
    start = bundle_of(scene, photos_of(8, 1200.0, "guess"), LensGrouping.of_lenses(one))
    start = replace(
        start, focals_px=np.array([1150.0]), centres_px=np.array([[620.0, 440.0]]), distortions=np.zeros((1, 2))
    )
    found = adjust(start)
    assert found.bundle.focals_px[0] == pytest.approx(K[0, 0], rel=0.003)
    np.testing.assert_allclose(found.bundle.centres_px[0], K[:2, 2], atol=4)
    assert found.bundle.distortions[0, 0] == pytest.approx(-0.1, abs=0.02)
    assert np.sqrt((residuals_px(found.bundle) ** 2).mean()) < 0.21
    assert found.focal_sigmas[0] < 0.01


def test_photographs_may_share_a_focal_length_and_not_the_principal_point() -> None:
    scene = scene_of(arc_poses(6), POINTS)
    shifts = np.random.default_rng(2).uniform(-150, 150, (6, 2))
    moved = scene.observation_px + shifts[scene.observation_image].astype(np.float32)
    sharing = LensGrouping.of_lenses(np.zeros(6, np.int64), cropped=True)
    found = adjust(bundle_of(replace(scene, observation_px=moved), photos_of(6, 1000.0, "guess"), sharing)).bundle
    np.testing.assert_allclose(found.centres_px, K[:2, 2] + shifts, atol=6)
    assert found.focals_px[0] == pytest.approx(K[0, 0], rel=0.005)


def test_what_the_photographs_do_not_tell_stays_as_it_is_known() -> None:
    scene = scene_of(STRIP, GROUND)
    bundle = bundle_of(scene, photos_of(6, 900.0, "exif"), LensGrouping.of_lenses(np.zeros(6, np.int64)))
    found = adjust(bundle)
    assert found.focal_sigmas[0] > 0.1
    assert found.bundle.focals_px[0] == pytest.approx(900.0, rel=0.1)


def test_a_focal_length_is_undetermined_only_where_nothing_tells_it() -> None:
    strip = scene_of(STRIP, GROUND)
    assert undetermined_cameras(strip, photos_of(6, 600.0, "exif")) == {1}
    assert undetermined_cameras(strip, photos_of(6, 980.0, "exif")) == frozenset()
    arc = scene_of(arc_poses(6), POINTS)
    assert undetermined_cameras(arc, photos_of(6, 600.0, "exif")) == frozenset()


def test_a_focal_length_is_determined_only_where_the_observations_alone_tell_it() -> None:
    assert determined_cameras(scene_of(arc_poses(8), POINTS), photos_of(8, 480.0, "exif")) == {1}
    assert determined_cameras(scene_of(STRIP, GROUND), photos_of(6, K[0, 0], "exif")) == frozenset()


def test_a_focal_length_that_exif_misstates_is_remarked_where_the_matches_tell_it() -> None:
    arc, strip = scene_of(arc_poses(8), POINTS), scene_of(STRIP, GROUND)
    (note,) = lens_remarks(arc, photos_of(8, K[0, 0] / 2, "exif"), from_matches=False, focal_held=False)
    assert (note.code, len(note.photographs)) == ("focal-misstated", 8)
    assert lens_remarks(arc, photos_of(8, K[0, 0] * 1.1, "exif"), from_matches=False, focal_held=False) == ()
    assert lens_remarks(strip, photos_of(6, K[0, 0] / 2, "exif"), from_matches=False, focal_held=False) == ()


def test_a_sound_scene_is_not_doubted() -> None:
    assert doubtful(scene_of(arc_poses(6), POINTS), photos_of(6, 1440.0, "guess")) == ""
