from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.photo import CameraGuess
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.ops.sfm.lens_groups import part_focals
from e2e3d.stages import mapping
from e2e3d.stages.stage import RunContext
from tests.ops.synthetic_sfm import HEIGHT, WIDTH, K, SyntheticSet, arc_poses, make_set, match_all, pose_errors

SIZE = (WIDTH, HEIGHT)
GUESS = CameraGuess("one", 1440.0, "guess")


def with_cameras(
    scene: SyntheticSet, zooms: list[float], crops: list[tuple[int, int, int, int]] | None = None, **camera: object
) -> SyntheticSet:
    """The set with each photograph zoomed about the middle, and then cropped to left, top, right, bottom."""
    photos, features, ids = [], [], []
    for i, (photo, found, seen) in enumerate(zip(scene.photos, scene.features, scene.point_ids, strict=True)):
        left, top, right, bottom = crops[i] if crops else (0, 0, *SIZE)
        middle = np.array(SIZE) / 2
        keypoints = found.keypoints_px.copy()
        keypoints[:, :2] = (keypoints[:, :2] - middle) * zooms[i] + middle - (left, top)
        width, height = right - left, bottom - top
        inside = ((keypoints[:, :2] >= 0) & (keypoints[:, :2] < [width, height])).all(axis=1)
        features.append(
            replace(
                found,
                keypoints_px=keypoints[inside],
                descriptors=found.descriptors[inside],
                colors=found.colors[inside],
            )
        )
        ids.append(seen[inside])
        guess = replace(GUESS, group=f"{width}x{height}")
        photos.append(replace(photo, width_px=width, height_px=height, camera=replace(guess, **camera)))
    return replace(scene, photos=tuple(photos), features=tuple(features), point_ids=tuple(ids))


def mapped(scene: SyntheticSet) -> Mapping:
    inputs = mapping.MappingInputs(scene.photos, scene.feature_refs(), (Ref.of(match_all(scene)),))
    return mapping.run(inputs, mapping.MappingConfig(), RunContext(threads=1))


def errors(result: Mapping, scene: SyntheticSet) -> tuple[float, float]:
    return pose_errors({image.photo_index: image.cam_from_world for image in result.scene.images}, scene.poses)


def focal_of(result: Mapping) -> dict[str, float]:
    return {image.name: result.scene.camera_of(image).params[0] for image in result.scene.images}


@pytest.fixture(scope="module")
def arc() -> SyntheticSet:
    return make_set(arc_poses(9), 500, known_intrinsics=False)


@pytest.mark.slow
@pytest.mark.parametrize("zooms", [[1.0, 1.5, 1.0] * 3, [1.0, 1.3, 1.7] * 3])
def test_zooms_are_told_apart(arc: SyntheticSet, zooms: list[float]) -> None:
    result = mapped(with_cameras(arc, zooms))
    distance, angle = errors(result, arc)
    assert len(result.scene.images) == 9
    assert distance < 0.03  # metres, from six metres away
    assert angle < 0.6
    np.testing.assert_allclose(list(focal_of(result).values()), K[0, 0] * np.array(zooms), rtol=0.01)
    assert len(result.scene.cameras) == len(set(zooms))
    names = [note.photographs for note in result.lens_notes if note.code == "lens"]
    assert [len(group) for group in names] == [zooms.count(zoom) for zoom in sorted(set(zooms))]
    assert names[0][:2] == tuple(p.name for p, zoom in zip(arc.photos, zooms, strict=True) if zoom == 1.0)[:2]


def test_one_lens_stays_one(arc: SyntheticSet) -> None:
    result = mapped(with_cameras(arc, [1.0] * 9))
    assert len(result.scene.cameras) == 1
    assert result.lens_notes == ()


@pytest.mark.slow
def test_wrong_focal_lengths_of_some_files_do_not_part_a_lens(arc: SyntheticSet) -> None:
    scene = with_cameras(arc, [1.0] * 9, focal_px=1000.0, focal_source="exif")
    wrong = CameraGuess("wrong", 2000.0, "exif")
    photos = [replace(photo, camera=wrong) if i in (2, 5, 8) else photo for i, photo in enumerate(scene.photos)]
    result = mapped(replace(scene, photos=tuple(photos)))
    distance, _ = errors(result, arc)
    assert len(result.scene.images) == 9
    assert len(result.scene.cameras) == 1
    assert result.scene.cameras[0].params[0] == pytest.approx(K[0, 0], rel=0.005)
    assert distance < 0.02


@pytest.mark.slow
def test_cropped_photographs_keep_a_principal_point_of_their_own(arc: SyntheticSet) -> None:
    random = np.random.default_rng(3)
    crops = []
    for _ in range(9):
        width, height = (random.uniform(0.65, 0.95, 2) * SIZE).astype(int)
        left, top = int(random.uniform(0, WIDTH - width)), int(random.uniform(0, HEIGHT - height))
        crops.append((left, top, left + int(width), top + int(height)))
    result = mapped(with_cameras(arc, [1.0] * 9, crops))
    distance, _ = errors(result, arc)
    assert len(result.scene.images) == 9
    assert distance < 0.03
    for image in result.scene.images:
        camera, (left, top, *_) = result.scene.camera_of(image), crops[image.photo_index]
        np.testing.assert_allclose(camera.params[1:3], [K[0, 2] - left, K[1, 2] - top], atol=0.02 * WIDTH)
        assert abs(camera.params[3]) < 0.02  # no distortion is invented
    assert len(set(focal_of(result).values())) == 1
    (note,) = result.lens_notes
    assert note.code == "cropped"
    assert len(note.photographs) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("crop", [(250, 50, 1150, 850), (0, 0, WIDTH // 2, HEIGHT)], ids=["border", "left half"])
def test_photographs_cropped_alike_keep_one_camera(arc: SyntheticSet, crop: tuple[int, int, int, int]) -> None:
    result = mapped(with_cameras(arc, [1.0] * 9, [crop] * 9))
    (camera,) = result.scene.cameras
    np.testing.assert_allclose(camera.params[1:3], [K[0, 2] - crop[0], K[1, 2] - crop[1]], atol=8)
    assert [note.code for note in result.lens_notes] == ["cropped"]
    assert errors(result, arc)[0] < 0.03


def test_focal_lengths_are_parted_with_the_least_spread() -> None:
    focals = np.array([900.0, 1500, 910, 1490, 2500, 905])
    assert part_focals(focals, 1).tolist() == [0] * 6
    assert part_focals(focals, 2).tolist() == [0, 1, 0, 1, 1, 0]
    assert part_focals(focals, 3).tolist() == [0, 1, 0, 1, 2, 0]
    assert part_focals(focals, 6).tolist() == [0, 4, 2, 3, 5, 1]
