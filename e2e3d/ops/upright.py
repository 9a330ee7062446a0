"""Which way is up, from how people hold cameras.

A camera is rarely rolled, so its horizontal axis is nearly level: up is the direction most at right angles to all
horizontal axes (Szeliski, "Image Alignment and Stitching", 2006, section 5.2), on the side of the pictures' tops. Where
all cameras look the same way that leaves a choice, and the mean of the pictures' tops decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Scene
from e2e3d.ops.georeferencing import Similarity

_MIN_AGREEMENT = 0.4
_TOP_WEIGHT = 0.003


def up_direction(cam_from_world: Sequence[NDArray[np.float64]]) -> NDArray[np.float64] | None:
    """Unit vector to the sky, in the world of the poses (float64 [3, 4]); None when the tops point everywhere."""
    rotations = np.array([pose[:, :3] for pose in cam_from_world])
    tops = -rotations[:, 1]
    mean_top = tops.mean(axis=0)
    agreement = np.linalg.norm(mean_top)
    if agreement < _MIN_AGREEMENT:
        return None
    mean_top = mean_top / agreement
    level = rotations[:, 0]
    scatter = level.T @ level / len(level) + _TOP_WEIGHT * (np.eye(3) - np.outer(mean_top, mean_top))
    up = np.linalg.eigh(scatter)[1][:, 0]
    return np.asarray(up * np.sign(up @ mean_top))


def upright_similarity(scene: Scene) -> Similarity | None:
    """Turn z up and the first photograph's view to +y, and put the middle of the points at the origin."""
    poses = [image.cam_from_world for image in scene.images]
    up = up_direction(poses)
    if up is None:
        return None
    forward = poses[0][2, :3] - (poses[0][2, :3] @ up) * up
    if np.linalg.norm(forward) < 1e-6:
        forward = np.cross(up, poses[0][0, :3])
    forward = forward / np.linalg.norm(forward)
    rotation = np.stack([np.cross(forward, up), forward, up])
    return Similarity(1.0, rotation, -np.median(scene.points_world @ rotation.T, axis=0))
