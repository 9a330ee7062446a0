"""Photographs that register by a part that looks the same, and contradict the rest, are found; honest ones are not."""

from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.stages import mapping
from e2e3d.stages.stage import RunContext
from tests.ops.synthetic_sfm import SyntheticSet, arc_poses, make_set, match_all, pose_errors


def with_other_place(scene: SyntheticSet, photos: tuple[int, ...], same_below: float, seed: int = 3) -> SyntheticSet:
    """Some photographs show a place that looks the same only up to a height; what is above there is different."""
    random = np.random.default_rng(seed)
    words = random.exponential(1.0, (len(scene.points), 128))
    words *= 512 / np.linalg.norm(words, axis=1, keepdims=True)
    features = list(scene.features)
    for photo in photos:
        descriptors, ids = features[photo].descriptors.copy(), scene.point_ids[photo]
        other = scene.points[ids, 2] > same_below
        noisy = words[ids[other]] + random.normal(0, 2, (int(other.sum()), 128))
        descriptors[other] = np.clip(noisy, 0, 255).round().astype(np.uint8)
        features[photo] = replace(features[photo], descriptors=descriptors)
    return replace(scene, features=tuple(features))


def map_set(scene: SyntheticSet) -> Mapping:
    inputs = mapping.MappingInputs(scene.photos, scene.feature_refs(), (Ref.of(match_all(scene)),))
    return mapping.run(inputs, mapping.MappingConfig(), RunContext())


def test_photographs_of_another_place_with_an_equal_part_are_taken_out() -> None:
    result = map_set(with_other_place(make_set(arc_poses(9), 500), (3, 6), same_below=0.7))
    assert [left.name for left in result.left_out] == ["003.jpg", "006.jpg"]
    assert {left.code for left in result.left_out} == {"contradicts-model"}
    assert "points that it should see" in result.left_out[0].reason
    assert [photo.name for photo in result.agreement if photo.contradicts] == ["003.jpg", "006.jpg"]
    poses = {image.photo_index: image.cam_from_world for image in result.scene.images}
    assert sorted(poses) == [0, 1, 2, 4, 5, 7, 8]
    distance, _ = pose_errors(poses, make_set(arc_poses(9), 1).poses)
    assert distance < 0.005
    assert result.component_sizes == (7,)


@pytest.mark.parametrize("poses", [arc_poses(8), arc_poses(8, span_deg=160), arc_poses(6, radius=3.5)])
def test_honest_photographs_agree(poses: np.ndarray) -> None:
    result = map_set(make_set(poses, 500))
    assert len(result.scene.images) == len(poses)
    for photo in result.agreement:
        assert not photo.contradicts
        assert photo.agreeing_share > 0.98
        assert photo.seen_share > 0.4 or photo.expected < 10


def test_when_too_many_contradict_none_is_taken_out_but_all_are_named() -> None:
    scene = make_set(arc_poses(8), 500)
    for photo in (1, 4, 6):
        scene = with_other_place(scene, (photo,), same_below=0.7, seed=photo)
    result = map_set(scene)
    assert result.component_sizes == (8,)
    assert result.left_out == ()
    assert [photo.name for photo in result.agreement if photo.contradicts] == ["001.jpg", "004.jpg", "006.jpg"]
