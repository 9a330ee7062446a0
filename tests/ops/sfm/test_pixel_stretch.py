"""Pixels that are not square are found from the matches, and mapping is as good as with the originals."""

from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.photo import CameraGuess
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.ops.evaluation.camera_signs import lens_distortion
from e2e3d.stages import mapping
from e2e3d.stages.stage import RunContext
from tests.ops.synthetic_sfm import HEIGHT, WIDTH, K, SyntheticSet, arc_poses, make_set, match_by_points, pose_errors

SQUEEZED = 2 / 3


def squeezed(scene: SyntheticSet, by: float) -> SyntheticSet:
    """The set in pictures `by` times as wide, of which no file says anything."""
    width = round(by * WIDTH)
    guess = CameraGuess("one", 1.2 * max(width, HEIGHT), "guess")
    features = []
    for found in scene.features:
        keypoints = found.keypoints_px.copy()
        keypoints[:, 0] *= width / WIDTH
        features.append(replace(found, keypoints_px=keypoints))
    photos = tuple(replace(photo, width_px=width, camera=guess) for photo in scene.photos)
    return replace(scene, photos=photos, features=tuple(features))


@pytest.fixture(scope="module")
def pictures() -> SyntheticSet:
    return squeezed(make_set(arc_poses(9), 500, known_intrinsics=False), SQUEEZED)


@pytest.fixture(scope="module")
def mapped(pictures: SyntheticSet) -> Mapping:
    inputs = mapping.MappingInputs(pictures.photos, pictures.feature_refs(), (Ref.of(match_by_points(pictures)),))
    return mapping.run(inputs, mapping.MappingConfig(), RunContext(threads=1))


@pytest.mark.slow
def test_squeezed_photographs_are_mapped_as_they_were_taken(pictures: SyntheticSet, mapped: Mapping) -> None:
    distance, angle = pose_errors({i.photo_index: i.cam_from_world for i in mapped.scene.images}, pictures.poses)
    assert len(mapped.scene.images) == 9
    assert distance < 0.02  # metres, from six metres away; 0.2 and more with square pixels
    assert angle < 0.3
    notes = [note for note in mapped.lens_notes if note.code == "stretched"]
    assert notes == list(mapped.lens_notes)
    assert notes[0].photographs == tuple(photo.name for photo in pictures.photos)


@pytest.mark.slow
def test_their_camera_is_that_of_the_pictures_as_they_are(pictures: SyntheticSet, mapped: Mapping) -> None:
    (camera,) = mapped.scene.cameras
    assert (camera.width_px, camera.height_px) == (round(SQUEEZED * WIDTH), HEIGHT)
    np.testing.assert_allclose(camera.K, np.diag([SQUEEZED, 1, 1]) @ K, rtol=0.01, atol=6)
    assert lens_distortion(camera) < 0.01
    scene = mapped.scene
    for number, image in enumerate(scene.images):
        own = {tuple(xy) for xy in pictures.features[image.photo_index].keypoints_px[:, :2].tolist()}
        assert {tuple(xy) for xy in scene.observation_px[scene.observation_image == number].tolist()} <= own
