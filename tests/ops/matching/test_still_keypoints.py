"""The part that stands still is told from the subject before it, and copies of one photograph have none."""

import numpy as np

from e2e3d.data.agreement import StillRegions
from e2e3d.data.ref import Ref
from e2e3d.ops.matching.still_keypoints import find_still_regions
from tests.ops.synthetic_sfm import HEIGHT, WIDTH, SyntheticSet, arc_poses, make_set, match_all, with_marks


def regions_of(scene: SyntheticSet) -> StillRegions:
    keypoints = [feature.keypoints_px for feature in scene.features]
    return find_still_regions(keypoints, [(WIDTH, HEIGHT)] * len(scene.photos), [Ref.of(match_all(scene))])


def before_background() -> SyntheticSet:
    """Six photographs: a background of 1200 marks, and a disc before it whose 120 keypoints are never found again."""
    nothing = make_set(arc_poses(6), 5, visible=0.0)
    scene = with_marks(nothing, 1200)
    random = np.random.default_rng(0)
    features = []
    for feature in scene.features:
        inside = np.linalg.norm(feature.keypoints_px[:, :2] - (WIDTH / 2, HEIGHT / 2), axis=1) < 200
        keypoints, descriptors = feature.keypoints_px.copy(), feature.descriptors.copy()
        descriptors[inside] = np.clip(random.exponential(40, (int(inside.sum()), 128)), 0, 255).astype(np.uint8)
        features.append(type(feature)(keypoints, descriptors, feature.colors))
    return SyntheticSet(scene.photos, tuple(features), scene.poses, scene.points, scene.point_ids)


def test_the_background_stands_still_and_the_subject_does_not() -> None:
    regions = regions_of(before_background())
    assert regions.found
    assert regions.still_share == 1.0
    for mask in regions.masks:
        rows, columns = mask.shape
        assert (rows, columns) == (30, 40)
        row, column = np.mgrid[0:rows, 0:columns]
        distance_px = np.hypot((column + 0.5) * 30 - WIDTH / 2, (row + 0.5) * 30 - HEIGHT / 2)
        assert mask[distance_px < 140].mean() < 0.03
        assert mask[distance_px > 260].mean() > 0.99


def test_copies_of_one_photograph_have_no_such_part() -> None:
    regions = regions_of(make_set(np.repeat(arc_poses(1), 5, axis=0), noise_px=0.3))
    assert regions.still_share > 0.9
    assert not regions.found


def test_a_camera_that_moves_has_none() -> None:
    regions = regions_of(make_set(arc_poses(5), 400))
    assert regions.still_share == 0.0
    assert not regions.found
