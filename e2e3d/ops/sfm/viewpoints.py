"""Where to look at a model from, so that a person sees it well: around it, or across it when it has only one side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Scene

ASPECT = 4 / 3
_FIELD_OF_VIEW_DEG = 38.0
_WIDEST_DEG = 75.0
_FILLED = 0.94
# The surface counts as one object when nearly all of it lies within so many radii of what the photographs show.
_OBJECT_RADII = 2.5
_OBJECT_SHARE = 0.95
_SUBJECT_SHARE = 0.85


@dataclass(frozen=True)
class Viewpoint:
    """A named camera: `cam_from_world` float64 [3, 4], and its vertical field of view; its pictures are 4 : 3."""

    title: str
    cam_from_world: NDArray[np.float64]
    field_of_view_deg: float


def four_sides(scene: Scene, surface: NDArray[np.floating]) -> tuple[Viewpoint, ...]:
    """Four viewpoints that show the subject of `scene` from where photographs were taken.

    When the cameras surround the subject the views are a quarter turn apart; when they stand on one side the views are
    the front, 40° to either side, and from above; when they look down (aerial) one is from straight above. A model
    that is one object is framed whole, however long it is; of one with far surroundings, the subject.

    Args:
        scene: its cameras and its points.
        surface: points spread evenly over the model, float [N, 3].
    """
    centers = camera_centers(scene)
    up = up_direction(scene)
    target, radius = subject(scene)
    towards = centers - target
    distances = np.linalg.norm(towards, axis=1, keepdims=True)
    towards /= distances
    near = surface[np.linalg.norm(surface - target, axis=1) <= _OBJECT_RADII * radius]
    if len(near) < _OBJECT_SHARE * len(surface) or len(near) == 0:
        near = target + radius * _sphere()
    reach = 1.5 * float(np.median(distances))
    inside = float(np.median(distances)) < radius
    return tuple(
        Viewpoint(title, *_framed(target, direction, up, near, reach, inside))
        for title, direction in _directions(towards, up)
    )


def camera_centers(scene: Scene) -> NDArray[np.float64]:
    """Centres float64 [N, 3] of the scene's photographs in the world."""
    poses = np.array([image.cam_from_world for image in scene.images], np.float64).reshape(-1, 3, 4)
    return np.asarray(-np.einsum("nji,nj->ni", poses[:, :, :3], poses[:, :, 3]))


def up_direction(scene: Scene) -> NDArray[np.float64]:
    """The world's up: z where the frame is known to be upright, else the mean up of the photographs."""
    if scene.frame != "arbitrary":
        return np.array([0.0, 0.0, 1.0])
    up = -np.mean([image.cam_from_world[1, :3] for image in scene.images], axis=0)
    return np.asarray(up / max(np.linalg.norm(up), 1e-12))


def subject(scene: Scene) -> tuple[NDArray[np.float64], float]:
    """Centre [3] and radius of what the photographs show: robust over the sparse points.

    A point counts in every photograph that observes it by the inverse square of its depth, the share of the view that
    the surface around it takes; so houses behind a statue do not become the subject, however many points they have.
    """
    if len(scene.points_world) == 0:
        raise ValueError("a scene without points shows no subject")
    poses = np.array([image.cam_from_world[2] for image in scene.images], np.float64).reshape(-1, 4)
    ahead = poses[scene.observation_image]
    depth = np.einsum("ij,ij->i", ahead[:, :3], scene.points_world[scene.observation_point]) + ahead[:, 3]
    nearest = 0.5 * float(np.median(depth)) if len(depth) else 1.0
    closeness = np.maximum(depth, max(nearest, 1e-9)) ** -2.0
    weight = np.bincount(scene.observation_point, closeness, len(scene.points_world)).astype(np.float64)
    center = np.array([_quantile(axis, weight, 0.5) for axis in scene.points_world.T])
    return center, _quantile(np.linalg.norm(scene.points_world - center, axis=1), weight, _SUBJECT_SHARE)


def _quantile(values: NDArray[np.floating], weight: NDArray[np.float64], share: float) -> float:
    """The value below which lies `share` of the weight."""
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weight[order])
    return float(values[order[min(np.searchsorted(sums, share * sums[-1]), len(order) - 1)]])


def look_at(center: NDArray[np.float64], target: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float64]:
    """cam_from_world [3, 4] of a camera at `center` that looks at `target` with `up` upwards in its image."""
    forward = (target - center) / np.linalg.norm(target - center)
    right = np.cross(forward, up)
    if np.linalg.norm(right) < 1e-6:
        right = np.cross(forward, np.eye(3)[np.argmin(np.abs(forward))])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    return np.concatenate([R, (-R @ center)[:, None]], 1)


def _framed(
    target: NDArray[np.float64],
    direction: NDArray[np.float64],
    up: NDArray[np.float64],
    points: NDArray[np.floating],
    reach: float,
    inside: bool,
) -> tuple[NDArray[np.float64], float]:
    """Pose and vertical field of view of a camera in `direction` of the subject that shows `points`.

    It stands back as far as `reach`, which is still in the space that the photographer stood in; then it takes a wider
    lens, and only then it steps back further, through what may be a wall, unless that lies all `inside`.
    """
    axes = look_at(target + direction, target, up)[:, :3]
    local = (points - target) @ axes.T
    middle = np.percentile(local, (1, 99), axis=0).mean(0)
    x, y, z = np.abs(local[:, 0] - middle[0]) / ASPECT, np.abs(local[:, 1] - middle[1]), local[:, 2] - middle[2]
    size = np.maximum(x, y) / _FILLED

    def distance(field_of_view_deg: float) -> float:
        return float(np.percentile(size / np.tan(np.radians(field_of_view_deg / 2)) - z, 99))

    angle = _FIELD_OF_VIEW_DEG
    while distance(angle) > reach and angle < _WIDEST_DEG:
        angle += 1.0
    away = min(distance(angle), reach) if inside else distance(angle)
    center = target + axes.T @ middle
    return look_at(center + away * direction, center, up), angle


def _sphere() -> NDArray[np.float64]:
    """Points evenly over the unit sphere, float64 [500, 3] (a Fibonacci lattice)."""
    i = np.arange(500) + 0.5
    height, turn = 1 - 2 * i / 500, np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - height * height)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), height], 1)


def _directions(towards: NDArray[np.float64], up: NDArray[np.float64]) -> list[tuple[str, NDArray[np.float64]]]:
    mean = towards.mean(0)
    heights = towards @ up
    level = towards - heights[:, None] * up
    lengths = np.linalg.norm(level, axis=1, keepdims=True)
    spread = np.linalg.norm((level / np.maximum(lengths, 1e-9)).mean(0))
    front = _unit(mean - (mean @ up) * up, fallback=np.cross(up, np.eye(3)[np.argmin(np.abs(up))]))
    elevation = float(np.clip(np.degrees(np.arcsin(np.median(heights))), 5, 50))
    if np.median(heights) > 0.85:
        turns = (("From above", 0, 89.0), ("From the south", 0, 40.0), ("From one side", 120, 40.0))
        return [(title, _direction(front, up, a, e)) for title, a, e in (*turns, ("From the other side", 240, 40.0))]
    if spread < 0.55:
        sides = (("Front", 0), ("Right", 90), ("Back", 180), ("Left", 270))
        return [(title, _direction(front, up, turn, elevation)) for title, turn in sides]
    across = (("Front", 0, elevation), ("From the left", -40, elevation), ("From the right", 40, elevation))
    return [(title, _direction(front, up, a, e)) for title, a, e in (*across, ("From above", 0, 50.0))]


def _direction(
    front: NDArray[np.float64], up: NDArray[np.float64], azimuth_deg: float, elevation_deg: float
) -> NDArray[np.float64]:
    a, e = np.radians(azimuth_deg), np.radians(elevation_deg)
    level = np.cos(a) * front + np.sin(a) * np.cross(up, front)
    return np.asarray(np.cos(e) * level + np.sin(e) * up)


def _unit(vector: NDArray[np.float64], fallback: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(vector)
    return np.asarray(vector / length if length > 1e-3 else fallback / np.linalg.norm(fallback))
