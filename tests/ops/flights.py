"""Exact flights: cameras over uneven ground, with known attitudes and GPS positions, in an arbitrary model frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from e2e3d.data.photo import CameraAttitude, CameraGuess, GpsPosition, Photo
from e2e3d.data.scene import Camera, Scene, SceneImage
from e2e3d.ops.geo.geodesy import wgs84_from_local
from e2e3d.ops.geo.georeferencing import Similarity, describe_origin
from e2e3d.ops.geo.scene_frame import place_scene, transform_scene

DULUTH, SYDNEY, CURITIBA, ZURICH = (46.843, -91.994), (-33.9, 151.2), (-25.4, -49.3), (47.37, 8.54)
HEIGHT_M = 45.0


@dataclass(frozen=True)
class Flight:
    """A set in its true local metres (east, north, up; the ground at 0), and what its photographs state."""

    scene: Scene
    photos: tuple[Photo, ...]
    place: tuple[float, float]

    def with_positions(self, change) -> Flight:
        photos = [
            replace(photo, gps=None if photo.gps is None else change(i, photo.gps))
            for i, photo in enumerate(self.photos)
        ]
        return replace(self, photos=tuple(photos))

    def placed(self, seed: int) -> Scene:
        """What becomes of the flight when structure from motion has left it in any frame and scale."""
        random = np.random.default_rng(seed)
        turn = Rotation.random(rng=random).as_matrix()
        model = transform_scene(
            self.scene, Similarity(float(np.exp(random.normal(-3, 1))), turn, random.normal(0, 9, 3))
        )
        return place_scene(model, self.photos, None, None)


def rotations_of(yaw_deg: np.ndarray, pitch_deg: np.ndarray, roll_deg: np.ndarray) -> np.ndarray:
    """``cam_from_world`` rotations [N, 3, 3] in east, north, up."""
    yaw, pitch, roll = np.radians(yaw_deg), np.radians(pitch_deg), np.radians(roll_deg)
    ahead = np.stack([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)], 1)
    right = np.stack([np.cos(yaw), -np.sin(yaw), np.zeros(len(yaw))], 1)
    level = np.stack([right, np.cross(ahead, right), ahead], 1)
    return np.einsum("nij,njk->nik", Rotation.from_euler("z", -roll[:, None]).as_matrix(), level)


def flight(
    centres_m: np.ndarray,
    yaw_deg: np.ndarray | float,
    pitch_deg: np.ndarray | float = -90.0,
    place: tuple[float, float] = DULUTH,
    seed: int = 0,
    shake_deg: float = 1.5,
    place_noise_m: float = 0.3,
    height_noise_m: float = 0.2,
    climb_m: float = 0.0,
    attitudes: bool = False,
    gps: bool = True,
) -> Flight:
    """A flight through `centres_m` [N, 3], each view held to within `shake_deg`; `climb_m` is how far heights drift."""
    random, count = np.random.default_rng(seed), len(centres_m)
    shaken = random.normal(0, shake_deg, (3, count))
    yaw, pitch, roll = (np.broadcast_to(a, count) + s for a, s in zip((yaw_deg, pitch_deg, 0.0), shaken, strict=True))
    rotations = rotations_of(yaw, pitch, roll)
    noise = random.normal(0, 1, (count, 3)) * [place_noise_m, place_noise_m, height_noise_m]
    stated_m = centres_m + noise + np.outer(np.linspace(0, climb_m, count), [0, 0, 1])
    geodetic = wgs84_from_local(stated_m, describe_origin((*place, 200.0), 0.0))
    guess = CameraGuess("one", 1000.0, "exif")
    photos = tuple(
        Photo(
            f"{i:03d}.jpg",
            f"{i:064x}",
            1200,
            900,
            guess,
            gps=GpsPosition(*map(float, geodetic[i])) if gps else None,
            attitude=CameraAttitude(float(yaw[i]), float(pitch[i]), float(roll[i])) if attitudes else None,
        )
        for i in range(count)
    )
    return Flight(_scene(centres_m, rotations, random), photos, place)


def _scene(centres_m: np.ndarray, rotations: np.ndarray, random: np.random.Generator) -> Scene:
    """Every camera sees its own points, at the ground below it or 12 m in front of it."""
    images, points, owners = [], [], []
    for i, (centre, rotation) in enumerate(zip(centres_m, rotations, strict=True)):
        images.append(SceneImage(f"{i:03d}.jpg", i, 1, np.concatenate([rotation, -(rotation @ centre)[:, None]], 1)))
        rays = np.concatenate([random.uniform(-0.4, 0.4, (30, 2)), np.ones((30, 1))], 1) @ rotation
        depth = np.where(rays[:, 2] < -0.3, -(centre[2] + random.normal(0, 1, 30)) / np.minimum(rays[:, 2], -0.3), 12.0)
        points.append(centre + depth[:, None] * rays)
        owners.append(np.full(30, i, np.int32))
    world, count = np.concatenate(points), 30 * len(centres_m)
    return Scene(
        (Camera(1, "PINHOLE", 1200, 900, (1000.0, 1000.0, 600.0, 450.0)),),
        tuple(images),
        world,
        np.zeros((count, 3), np.uint8),
        np.zeros(count, np.float32),
        np.concatenate(owners),
        np.arange(count, dtype=np.int32),
        np.zeros((count, 2), np.float32),
    )


def grid(random: np.random.Generator, rows: int, columns: int, step_m: float = 14.0) -> tuple[np.ndarray, np.ndarray]:
    """Centres [N, 3] to and fro along rows of any heading, and the heading of flight at each, in degrees."""
    heading = random.uniform(0, 360)
    along = np.arange(columns) - (columns - 1) / 2
    centres, headings = [], []
    for row in range(rows):
        forth = row % 2 == 0
        x = (along if forth else -along) * step_m + random.normal(0, 0.5, columns)
        y = np.full(columns, (row - (rows - 1) / 2) * 1.5 * step_m) + random.normal(0, 0.5, columns)
        centres.append(np.stack([x, y, np.full(columns, HEIGHT_M) + random.normal(0, 0.3, columns)], 1))
        headings.append(np.full(columns, 0.0 if forth else 180.0))
    turn = np.radians(90 - heading)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    return np.concatenate(centres) @ rotation.T, (heading - np.concatenate(headings)) % 360


def tilt_deg(scene: Scene, truth: Flight) -> float:
    """By how much the placed scene's z axis leans from the true vertical; 180 = upside down."""
    ups = [
        placed.cam_from_world[:, :3].T @ true.cam_from_world[:, 2]
        for placed, true in zip(scene.images, truth.scene.images, strict=True)
    ]
    return float(np.degrees(np.arccos(np.clip(np.mean(ups, axis=0)[2], -1, 1))))


def heading_error_deg(scene: Scene, truth: Flight) -> float:
    """By how much the placed scene is turned about the vertical."""
    placed, true = scene.images[0].cam_from_world[:, :3], truth.scene.images[0].cam_from_world[:, :3]
    turn = placed.T @ true
    return float(abs(np.degrees(np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1]))))


def scale_ratio(scene: Scene, truth: Flight) -> float:
    """Metres of the placed scene in a true metre."""
    return float(np.linalg.norm(_spread(scene)) / np.linalg.norm(_spread(truth.scene)))


def _spread(scene: Scene) -> np.ndarray:
    poses = np.array([image.cam_from_world for image in scene.images])
    centres = -np.einsum("nji,nj->ni", poses[:, :, :3], poses[:, :, 3])
    return np.asarray(centres - centres.mean(axis=0))
