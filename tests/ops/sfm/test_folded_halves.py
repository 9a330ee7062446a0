"""Half of a set that lies on the other half though it shows something else is found; halves of one thing are not."""

from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping
from e2e3d.stages import mapping
from e2e3d.stages.stage import RunContext
from tests.ops.synthetic_sfm import SyntheticSet, arc_poses, make_set, match_by_points

OTHER = 10_000


def with_other_half(scene: SyntheticSet, photos: range, same_below: float) -> SyntheticSet:
    """Some photographs show another place, which looks the same up to a height."""
    ids = list(scene.point_ids)
    for photo in photos:
        ids[photo] = np.where(scene.points[ids[photo], 2] > same_below, ids[photo] + OTHER, ids[photo])
    return replace(scene, point_ids=tuple(ids))


def map_set(scene: SyntheticSet) -> Mapping:
    inputs = mapping.MappingInputs(scene.photos, scene.feature_refs(), (Ref.of(match_by_points(scene)),))
    return mapping.run(inputs, mapping.MappingConfig(), RunContext(threads=1))


def contradicting(result: Mapping) -> list[str]:
    return [photo.name for photo in result.agreement if photo.contradicts]


@pytest.fixture(scope="module")
def walked_twice() -> SyntheticSet:
    return make_set(np.concatenate([arc_poses(6), arc_poses(4, span_deg=50.0)]), 500)


def test_a_half_of_another_place_is_named(walked_twice: SyntheticSet) -> None:
    result = map_set(with_other_half(walked_twice, range(6, 10), same_below=0.3))
    assert len(result.scene.images) == 10  # too many to be taken out: the others may be wrong as well
    assert contradicting(result) == ["006.jpg", "007.jpg", "008.jpg", "009.jpg"]


def test_a_few_of_another_place_are_taken_out(walked_twice: SyntheticSet) -> None:
    result = map_set(with_other_half(walked_twice, range(7, 10), same_below=0.3))
    assert contradicting(result) == [left.name for left in result.left_out] == ["007.jpg", "008.jpg", "009.jpg"]
    assert {left.code for left in result.left_out} == {"contradicts-model"}


@pytest.mark.parametrize("span_deg", [40.0, 160.0])
def test_halves_of_one_place_agree(walked_twice: SyntheticSet, span_deg: float) -> None:
    assert contradicting(map_set(walked_twice)) == []
    assert contradicting(map_set(make_set(arc_poses(8, span_deg), 500))) == []
