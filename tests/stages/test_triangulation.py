"""Points of exact sets from cameras that are known, which stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.features import MatchBlock
from e2e3d.data.given_poses import GivenPose
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Camera, Mapping
from e2e3d.errors import ReconstructionError
from e2e3d.stages import mapping, triangulation
from e2e3d.stages.stage import RunContext
from tests.ops.synthetic_sfm import HEIGHT, WIDTH, SyntheticSet, arc_poses, make_set, match_all

CAMERA = Camera(7, "PINHOLE", WIDTH, HEIGHT, (1000.0, 1000.0, 590.0, 460.0))
FLIP = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def arc() -> SyntheticSet:
    return make_set(arc_poses(8), known_intrinsics=False)  # the guess of the focal length is 8 % off


@pytest.fixture(scope="module")
def block(arc: SyntheticSet) -> MatchBlock:
    return match_all(arc)


def triangulate(
    arc: SyntheticSet, block: MatchBlock, poses: np.ndarray, cameras: dict[int, Camera] | None = None, **config: float
) -> Mapping:
    matched = mapping.MappingInputs(arc.photos, arc.feature_refs(), (Ref.of(block),))
    given = tuple(
        GivenPose(photo.name, pose, (cameras or {}).get(i, CAMERA))
        for i, (photo, pose) in enumerate(zip(arc.photos, poses, strict=True))
    )
    inputs = triangulation.TriangulationInputs(matched, given, unused=3)
    return triangulation.run(inputs, mapping.MappingConfig(**config), RunContext())


def test_points_are_where_they_are_and_cameras_stay(arc: SyntheticSet, block: MatchBlock) -> None:
    result = triangulate(arc, block, arc.poses)
    scene = result.scene
    for image, pose in zip(scene.images, arc.poses, strict=True):
        np.testing.assert_array_equal(image.cam_from_world, pose)
    assert [replace(camera, camera_id=7) for camera in scene.cameras] == [CAMERA]
    assert len(scene.points_world) > 0.9 * len(arc.points)
    distance = np.array([np.linalg.norm(arc.points - point, axis=1).min() for point in scene.points_world])
    assert np.median(distance) < 0.002  # six metres away, with noise of 0.2 pixels
    assert distance.max() < 0.02
    assert scene.errors_px.mean() < 0.4
    assert scene.frame == "arbitrary"
    assert result.left_out == ()
    assert "100 % of the matches fit them. 3 more" in result.remarks[0].message


def test_the_result_is_the_same_every_time(arc: SyntheticSet, block: MatchBlock) -> None:
    first, second = (triangulate(arc, block, arc.poses).scene for _ in range(2))
    np.testing.assert_array_equal(first.points_world, second.points_world)
    np.testing.assert_array_equal(first.observation_px, second.observation_px)


def test_every_lens_is_kept(arc: SyntheticSet, block: MatchBlock) -> None:
    other = replace(CAMERA, model="OPENCV", params=(*CAMERA.params, 1e-6, 0.0, 0.0, 0.0))
    scene = triangulate(arc, block, arc.poses, {2: other, 5: other}).scene
    models = [scene.camera_of(image).model for image in scene.images]
    assert models == ["PINHOLE"] * 2 + ["OPENCV"] + ["PINHOLE"] * 2 + ["OPENCV"] + ["PINHOLE"] * 2
    assert len(scene.cameras) == 2


WRONG = {
    "other axes": lambda poses: np.array([FLIP @ pose for pose in poses]),
    "the other way round": lambda poses: np.array([np.linalg.inv(np.vstack([p, [0, 0, 0, 1]]))[:3] for p in poses]),
    "of other photographs": lambda poses: poses[::-1],
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_poses_are_refused(arc: SyntheticSet, block: MatchBlock, kind: str) -> None:
    with pytest.raises(ReconstructionError, match="matches meet in a point") as caught:
        triangulate(arc, block, WRONG[kind](arc.poses))
    assert caught.value.code == "poses-contradict"


def test_inexact_poses_are_taken_with_a_larger_limit_and_called_inexact(arc: SyntheticSet, block: MatchBlock) -> None:
    random = np.random.default_rng(3)
    turned = []
    for pose in arc.poses:
        x, y, z = np.radians(0.5) * random.choice([-1, 1], 3)  # nine pixels
        small = np.array([[1, -z, y], [z, 1, -x], [-y, x, 1]])
        u, _, vt = np.linalg.svd(small)
        turned.append(u @ vt @ pose)
    with pytest.raises(ReconstructionError, match="contradict the photographs"):
        triangulate(arc, block, np.array(turned))
    result = triangulate(arc, block, np.array(turned), max_error_px=10)
    assert "That is little" in result.remarks[0].message
    assert len(result.scene.points_world) > 0.3 * len(arc.points)


def test_a_photograph_that_matches_nothing_keeps_its_pose(arc: SyntheticSet) -> None:
    scene = triangulate(arc, match_all(arc, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]), arc.poses).scene
    np.testing.assert_array_equal(scene["007.jpg"].cam_from_world, arc.poses[7])
    assert 7 not in scene.observation_image
    assert set(range(7)) <= set(scene.observation_image)


def test_photographs_that_match_nothing_are_said(arc: SyntheticSet, block: MatchBlock) -> None:
    empty = replace(
        block,
        pairs=block.pairs[:0],
        matches=block.matches[:0],
        offsets=block.offsets[:1],
        configurations=block.configurations[:0],
        matrices=block.matrices[:0],
        still=block.still[:0],
        still_offsets=block.still_offsets[:1],
    )
    with pytest.raises(ReconstructionError) as caught:
        triangulate(arc, empty, arc.poses)
    assert caught.value.code == "no-overlap"
