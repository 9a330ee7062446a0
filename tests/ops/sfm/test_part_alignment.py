"""Models of parts find together by what they share; overlaps that are wrong tie nothing. Exact frames are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from e2e3d.data.photo_parts import PartModel
from e2e3d.data.scene import Camera
from e2e3d.ops.geo.georeferencing import Similarity
from e2e3d.ops.sfm.part_alignment import IDENTITY, align_models, compose, find_overlaps, inverse
from e2e3d.ops.sfm.part_joining import merge_tracks
from tests.ops.synthetic_sfm import SyntheticSet, ring_set

CAMERA = Camera(1, "PINHOLE", 1200, 900, (1000.0, 1000.0, 590.0, 460.0))
COUNT, PARTS, SHARED = 48, 6, 4
Vectors = np.ndarray


@pytest.fixture(scope="module")
def ring() -> SyntheticSet:
    return ring_set(COUNT)


def frames(seed: int = 4) -> list[Similarity]:
    random = np.random.default_rng(seed)
    turns = Rotation.random(PARTS, random_state=random).as_matrix()
    return [
        Similarity(float(s), R, t)
        for s, R, t in zip(random.uniform(0.3, 3, PARTS), turns, random.normal(0, 9, (PARTS, 3)), strict=True)
    ]


def part(ring: SyntheticSet, photos: list[int], frame: Similarity, noise: float = 0.0, seed: int = 0) -> PartModel:
    """The true cameras and points of some photographs in another frame; `noise` of the points is in metres."""
    random = np.random.default_rng(seed)
    seen = [(int(p), photo, k) for photo in photos for k, p in enumerate(ring.point_ids[photo])]
    points, times = np.unique([p for p, _, _ in seen], return_counts=True)
    known = set(points[times >= 2].tolist())
    kept = sorted(each for each in seen if each[0] in known)
    used, place = np.unique([p for p, _, _ in kept], return_inverse=True)
    poses = np.array([moved_pose(ring.poses[photo], frame) for photo in photos])
    return PartModel(
        photos=np.array(photos, np.int32),
        cam_from_world=poses,
        camera_ids=np.ones(len(photos), np.int32),
        cameras=(CAMERA,),
        points_world=frame.apply(ring.points[used] + noise * random.normal(size=(len(used), 3))),
        observation_point=place.astype(np.int32),
        observation_photo=np.array([photo for _, photo, _ in kept], np.int32),
        observation_keypoint=np.array([k for _, _, k in kept], np.int32),
    )


def moved_pose(pose: Vectors, frame: Similarity) -> Vectors:
    rotation = pose[:, :3] @ frame.rotation.T
    return np.column_stack([rotation, frame.scale * pose[:, 3] - rotation @ frame.translation])


def ring_parts(ring: SyntheticSet, noise: float = 0.0) -> list[PartModel]:
    """Six arcs of the ring, each sharing photographs with the next, the last with the first."""
    size = COUNT // PARTS
    arcs = [sorted((size * i + k) % COUNT for k in range(size + SHARED)) for i in range(PARTS)]
    return [part(ring, arc, frame, noise, i) for i, (arc, frame) in enumerate(zip(arcs, frames(), strict=True))]


def frame_errors(to_world: dict[int, Similarity], ring: SyntheticSet) -> float:
    """The largest distance in metres of any part's centre of points from where it should be beside part 0."""
    true = frames()
    gaps = []
    for number, found in to_world.items():
        expected = compose(true[0], inverse(true[number]))
        points = true[number].apply(ring.points[:50])
        gaps.append(np.abs(found.apply(points) - expected.apply(points)).max() / true[0].scale)
    return float(max(gaps))


def test_models_that_overlap_come_into_one_frame(ring: SyntheticSet) -> None:
    (group,) = align_models(ring_parts(ring))
    assert sorted(group.to_world) == list(range(PARTS))
    assert {(one.first, one.second) for one in group.overlaps} == {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)}
    assert frame_errors(group.to_world, ring) < 1e-6


def test_the_loop_that_closes_spreads_its_error_over_all(ring: SyntheticSet) -> None:
    """With points that are 2 centimetres off, the parts lie nearer to the truth than along a chain of overlaps."""
    parts = ring_parts(ring, noise=0.02)
    (closed,) = align_models(parts)
    (chain,) = align_models([*parts[:5], part(ring, list(range(40, 48)), frames()[5], 0.02, 5)])
    assert len(closed.overlaps) == PARTS
    assert frame_errors(closed.to_world, ring) < 0.1
    assert frame_errors(closed.to_world, ring) < frame_errors(chain.to_world, ring) + 0.02


def test_an_overlap_that_disagrees_ties_nothing(ring: SyntheticSet) -> None:
    parts = ring_parts(ring)
    shuffled = np.random.default_rng(1).permutation(parts[2].points_world)
    groups = align_models([*parts[:2], replace(parts[2], points_world=shuffled), *parts[3:]])
    assert [sorted(group.to_world) for group in groups] == [[0, 1, 3, 4, 5], [2]]
    assert frame_errors(groups[0].to_world, ring) < 1e-6


def test_cameras_that_disagree_with_the_points_refuse_an_overlap(ring: SyntheticSet) -> None:
    one, other, *_ = ring_parts(ring)
    turned = Rotation.from_euler("z", 20, degrees=True).as_matrix() @ other.cam_from_world
    assert len(find_overlaps([one, other])) == 1
    assert find_overlaps([one, replace(other, cam_from_world=turned)]) == []


def test_a_loop_that_does_not_close_is_cut(ring: SyntheticSet) -> None:
    """Part 5 took three of its photographs to where part 0 starts for an equal house: weaker than what is true."""
    parts = ring_parts(ring)
    frame, turn = frames()[5], Rotation.from_euler("z", 150, degrees=True).as_matrix()
    moved = compose(compose(frame, Similarity(1.0, turn, np.zeros(3))), inverse(frame))
    same = part(ring, [0, 1, 2], frame)
    false = replace(
        same,
        points_world=moved.apply(same.points_world),
        cam_from_world=np.array([moved_pose(pose, moved) for pose in same.cam_from_world]),
    )
    (group,) = align_models([*parts[:5], side_by_side(part(ring, list(range(40, 48)), frame), false)])
    assert {(one.first, one.second) for one in group.overlaps} == {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)}
    assert frame_errors(group.to_world, ring) < 1e-6


def side_by_side(one: PartModel, other: PartModel) -> PartModel:
    """Two models of different photographs as one."""
    return PartModel(
        photos=np.concatenate([other.photos, one.photos]),
        cam_from_world=np.concatenate([other.cam_from_world, one.cam_from_world]),
        camera_ids=np.concatenate([other.camera_ids, one.camera_ids]),
        cameras=one.cameras,
        points_world=np.concatenate([other.points_world, one.points_world]),
        observation_point=np.concatenate([other.observation_point, one.observation_point + len(other.points_world)]),
        observation_photo=np.concatenate([other.observation_photo, one.observation_photo]),
        observation_keypoint=np.concatenate([other.observation_keypoint, one.observation_keypoint]),
    )


def test_tracks_are_merged_where_models_share_keypoints(ring: SyntheticSet) -> None:
    parts = ring_parts(ring)
    (group,) = align_models(parts)
    tracks = merge_tracks(parts, group)
    truth = {(photo, k): int(p) for photo, ids in enumerate(ring.point_ids) for k, p in enumerate(ids)}
    points = np.array([truth[each] for each in zip(tracks.photo.tolist(), tracks.keypoint.tolist(), strict=True)])
    assert (np.diff(tracks.point) >= 0).all()
    for start, end in zip(
        np.flatnonzero(np.diff(tracks.point, prepend=-1)),
        [*np.flatnonzero(np.diff(tracks.point)) + 1, len(points)],
        strict=True,
    ):
        assert len(set(points[start:end].tolist())) == 1  # a track shows one point
        assert end - start >= 2
    assert len(np.unique(points)) == len(tracks.points_world)  # and a point has one track
    first = points[np.flatnonzero(np.diff(tracks.point, prepend=-1))]
    np.testing.assert_allclose(tracks.points_world, frames()[0].apply(ring.points[first]), atol=1e-6)


def test_a_keypoint_of_two_tracks_stays_with_the_longer_one(ring: SyntheticSet) -> None:
    one = part(ring, [0, 1, 2, 3], IDENTITY)
    longest = int(np.bincount(one.observation_point).argmax())
    (places,) = np.nonzero(one.observation_point == longest)
    claimed = places[:2]
    assert len(places) > 2
    more = replace(
        one,
        points_world=np.concatenate([one.points_world, [[0.0, 0.0, 0.0]]]),
        observation_point=np.append(one.observation_point, [len(one.points_world)] * 2).astype(np.int32),
        observation_photo=np.append(one.observation_photo, one.observation_photo[claimed]),
        observation_keypoint=np.append(one.observation_keypoint, one.observation_keypoint[claimed]),
    )
    (group,) = align_models([more])
    tracks = merge_tracks([more], group)
    np.testing.assert_array_equal(tracks.points_world, one.points_world)
    assert len(tracks.point) == len(one.observation_point)


def test_a_track_that_comes_to_a_photograph_twice_lets_it_go(ring: SyntheticSet) -> None:
    one = part(ring, [0, 1, 2, 3], IDENTITY)
    longest = int(np.bincount(one.observation_point).argmax())
    photo = one.observation_photo[one.observation_point == longest][0]
    free = len(ring.point_ids[photo])  # a keypoint that no track has
    place = int(np.searchsorted(one.observation_point, longest))
    twice = replace(
        one,
        observation_point=np.insert(one.observation_point, place, longest),
        observation_photo=np.insert(one.observation_photo, place, photo),
        observation_keypoint=np.insert(one.observation_keypoint, place, free),
    )
    (group,) = align_models([twice])
    tracks = merge_tracks([twice], group)
    assert photo not in tracks.photo[tracks.point == longest]
    assert len(tracks.point) == len(one.observation_point) - 1
