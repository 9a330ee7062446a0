"""Exact sets for structure from motion: known points seen by known cameras, as photographs, features and matches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.photo import CameraGuess, GpsPosition, Photo
from e2e3d.data.ref import Ref
from e2e3d.ops.matching.two_view import colmap_camera, verify_pair
from e2e3d.ops.sample.sample_scene import look_at
from e2e3d.stages import matching
from e2e3d.stages.stage import RunContext

WIDTH, HEIGHT = 1200, 900
K = np.array([[1000.0, 0, 590], [0, 1000.0, 460], [0, 0, 1]])


@dataclass(frozen=True)
class SyntheticSet:
    photos: tuple[Photo, ...]
    features: tuple[Features, ...]
    poses: np.ndarray  # [N, 3, 4]
    points: np.ndarray  # [M, 3]
    point_ids: tuple[np.ndarray, ...]  # point of each keypoint

    def centres(self) -> np.ndarray:
        return np.array([-pose[:, :3].T @ pose[:, 3] for pose in self.poses])

    def with_gps(self, positions: list[GpsPosition]) -> SyntheticSet:
        photos = tuple(replace(p, gps=g) for p, g in zip(self.photos, positions, strict=True))
        return replace(self, photos=photos)

    def feature_refs(self) -> tuple[Ref[Features], ...]:
        return tuple(Ref.of(f, f"features/{i}") for i, f in enumerate(self.features))


def arc_poses(count: int, span_deg: float = 70.0, radius: float = 6.0) -> np.ndarray:
    angles = np.radians(np.linspace(-90 - span_deg / 2, -90 + span_deg / 2, count))
    heights = 1.5 + 0.6 * (np.arange(count) % 3)
    centres = np.stack([radius * np.cos(angles), radius * np.sin(angles), heights], -1)
    return np.array([look_at(c, np.array([0.0, 0.0, 1.0])) for c in centres])


def turning_poses(count: int) -> np.ndarray:
    eye = np.array([0.0, -6.0, 1.5])
    return np.array([look_at(eye, np.array([x, 0.0, 1.0])) for x in np.linspace(-1.5, 1.5, count)])


def make_set(
    poses: np.ndarray,
    points_count: int = 700,
    noise_px: float = 0.2,
    known_intrinsics: bool = True,
    seed: int = 1,
    radial: float = 0.0,
    visible: float = 0.7,
) -> SyntheticSet:
    random = np.random.default_rng(seed)
    points = random.uniform([-1.6, -1.2, 0.0], [1.6, 1.2, 2.2], (points_count, 3))
    words = random.exponential(1.0, (points_count, 128))
    given = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    guess = CameraGuess("one", 1000.0, "intrinsics", given) if known_intrinsics else CameraGuess("one", 1080.0, "exif")
    photos, features, ids = [], [], []
    for i, pose in enumerate(poses):
        positions, seen = project(points, pose, radial)
        seen &= random.random(points_count) < visible
        chosen = random.permutation(np.flatnonzero(seen))
        noisy = positions[chosen] + random.normal(0, noise_px, (len(chosen), 2))
        keypoints = np.concatenate([noisy, np.full((len(chosen), 1), 2.0), np.zeros((len(chosen), 1))], 1)
        descriptors = words[chosen] + random.normal(0, 0.05, (len(chosen), 128))
        descriptors *= 512 / np.linalg.norm(descriptors, axis=1, keepdims=True)
        colors = np.repeat((chosen % 256)[:, None], 3, axis=1).astype(np.uint8)
        features.append(
            Features(keypoints.astype(np.float32), np.clip(descriptors, 0, 255).round().astype(np.uint8), colors)
        )
        photos.append(Photo(f"{i:03d}.jpg", f"{i:064x}", WIDTH, HEIGHT, guess, sharpness=100.0))
        ids.append(chosen)
    return SyntheticSet(tuple(photos), tuple(features), poses, points, tuple(ids))


def project(points: np.ndarray, pose: np.ndarray, radial: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    camera = points @ pose[:, :3].T + pose[:, 3]
    plane = camera[:, :2] / camera[:, 2:]
    plane = plane * (1 + radial * (plane**2).sum(1, keepdims=True))
    positions = plane @ K[:2, :2].T + K[:2, 2]
    inside = (camera[:, 2] > 0) & (positions >= 0).all(1) & (positions < [WIDTH, HEIGHT]).all(1)
    return positions, inside


def match_all(scene: SyntheticSet, pairs: list[tuple[int, int]] | None = None, moving_only: bool = False) -> MatchBlock:
    count = len(scene.photos)
    if pairs is None:
        pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    refs = scene.feature_refs()
    used = sorted({i for pair in pairs for i in pair})
    photos = tuple(
        matching.MatchingPhoto(i, refs[i], p.camera, p.width_px, p.height_px)
        for i in used
        if (p := scene.photos[i]).camera is not None
    )
    inputs = matching.MatchingInputs(tuple(pairs), photos, moving_only)
    return matching.run(inputs, matching.MatchingConfig(), RunContext())


def ring_set(
    count: int,
    known_intrinsics: bool = True,
    noise_px: float = 0.3,
    seed: int = 1,
    radius_m: float = 6.0,
    points_a_photo: int = 50,
) -> SyntheticSet:
    """Photographs from a circle outwards to a wall 3 to 6 metres away: each overlaps with its neighbours.

    The features have no descriptors: see :func:`match_by_points`.
    """
    random = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    outwards = np.stack([np.cos(angles), np.sin(angles)], 1)
    eyes = np.column_stack([radius_m * outwards, 1.5 + 0.4 * (np.arange(count) % 3)])
    aims = np.column_stack([(radius_m + 6) * outwards, np.full(count, 1.5)])
    poses = np.array([look_at(eye, aim) for eye, aim in zip(eyes, aims, strict=True)])
    points_count = points_a_photo * count
    around, radius = (
        random.uniform(0, 2 * np.pi, points_count),
        random.uniform(radius_m + 3, radius_m + 6, points_count),
    )
    height = random.uniform(-1, 4, len(around))
    points = np.stack([radius * np.cos(around), radius * np.sin(around), height], 1)
    given = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    guess = CameraGuess("one", 1000.0, "intrinsics", given) if known_intrinsics else CameraGuess("one", 1080.0, "exif")
    photos, features, ids = [], [], []
    for i, pose in enumerate(poses):
        positions, seen = project(points, pose)
        seen &= (np.linalg.norm(points - eyes[i], axis=1) < 8) & (random.random(len(points)) < 0.8)
        chosen = random.permutation(np.flatnonzero(seen))
        noisy = positions[chosen] + random.normal(0, noise_px, (len(chosen), 2))
        keypoints = np.column_stack([noisy, np.full(len(chosen), 2.0), np.zeros(len(chosen))]).astype(np.float32)
        nothing = np.zeros((len(chosen), 128), np.uint8)
        features.append(Features(keypoints, nothing, nothing[:, :3]))
        photos.append(Photo(f"{i:03d}.jpg", f"{i:064x}", WIDTH, HEIGHT, guess, sharpness=100.0))
        ids.append(chosen)
    return SyntheticSet(tuple(photos), tuple(features), poses, points, tuple(ids))


def match_by_points(scene: SyntheticSet, min_inliers: int = 15, min_common: int = 0) -> MatchBlock:
    """Pairs matched without a look at descriptors: verified matches of keypoints that show one point.

    These are all pairs that have at least `min_common` points in common.
    """
    everything = [(i, j) for i in range(len(scene.photos)) for j in range(i + 1, len(scene.photos))]
    common = {(i, j): len(np.intersect1d(scene.point_ids[i], scene.point_ids[j])) for i, j in everything}
    pairs = [pair for pair in everything if common[pair] >= min_common]
    cameras = [colmap_camera(photo.camera, photo.width_px, photo.height_px) for photo in scene.photos]
    verified = []
    for i, j in pairs:
        _, first, second = np.intersect1d(scene.point_ids[i], scene.point_ids[j], return_indices=True)
        positions = (scene.features[k].keypoints_px[:, :2] for k in (i, j))
        matches = np.stack([first, second], 1).astype(np.uint32)
        verified.append(verify_pair(*positions, matches, cameras[i], cameras[j], 4.0, min_inliers))
    counts = [len(pair.matches) for pair in verified]
    return MatchBlock(
        np.array(pairs, np.int32),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([pair.matches for pair in verified]),
        np.array(counts, np.int32),
        np.array([pair.configuration for pair in verified], np.int32),
        np.array([pair.matrices for pair in verified]),
        np.zeros(len(pairs) + 1, np.int64),
        np.zeros((0, 2), np.uint32),
    )


def pose_errors(estimated: dict[int, np.ndarray], truth: np.ndarray) -> tuple[float, float]:
    """Largest distance of centres and largest angle in degrees after the best similarity."""
    from e2e3d.ops.geo.georeferencing import fit_similarity

    indices = sorted(estimated)
    poses = np.array([estimated[i] for i in indices])
    centres = -np.einsum("nji,nj->ni", poses[:, :, :3], poses[:, :, 3])
    true_centres = -np.einsum("nji,nj->ni", truth[indices][:, :, :3], truth[indices][:, :, 3])
    similarity = fit_similarity(centres, true_centres)
    distance = np.linalg.norm(similarity.apply(centres) - true_centres, axis=1).max()
    turns = [truth[i][:, :3] @ (estimated[i][:, :3] @ similarity.rotation.T).T for i in indices]
    angles = [np.degrees(np.arccos(np.clip((np.trace(t) - 1) / 2, -1, 1))) for t in turns]
    return float(distance), float(max(angles))


def with_marks(
    scene: SyntheticSet, count: int, visible: float = 0.8, noise_px: float = 0.3, seed: int = 5
) -> SyntheticSet:
    """The set with keypoints that stand still in the image, after the others; they belong to no point (-1)."""
    random = np.random.default_rng(seed)
    places = random.uniform([0, 0], [WIDTH, HEIGHT], (count, 2))
    words = random.exponential(1.0, (count, 128))
    words *= 512 / np.linalg.norm(words, axis=1, keepdims=True)
    features, ids = [], []
    for feature, of_photo in zip(scene.features, scene.point_ids, strict=True):
        seen = np.flatnonzero(random.random(count) < visible)
        positions = places[seen] + random.normal(0, noise_px, (len(seen), 2))
        keypoints = np.column_stack([positions, np.full(len(seen), 2.0), np.zeros(len(seen))]).astype(np.float32)
        descriptors = np.clip(words[seen] + random.normal(0, 2, (len(seen), 128)), 0, 255).round().astype(np.uint8)
        grey = np.full((len(seen), 3), 128, np.uint8)
        features.append(
            Features(
                np.concatenate([feature.keypoints_px, keypoints]),
                np.concatenate([feature.descriptors, descriptors]),
                np.concatenate([feature.colors, grey]),
            )
        )
        ids.append(np.concatenate([of_photo, np.full(len(seen), -1)]))
    return replace(scene, features=tuple(features), point_ids=tuple(ids))
