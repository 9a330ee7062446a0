"""Poses of cameras."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Scene


def camera_centres(scene: Scene) -> NDArray[np.float64]:
    """float64 [I, 3]: centre of every registered image, in the world."""
    return centres_of(np.stack([image.cam_from_world for image in scene.images]))


def centres_of(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64 [N, 3], camera centres in the world, of rigid poses cam_from_world [N, 3, 4]."""
    return np.asarray(-np.einsum("nji,nj->ni", poses[:, :, :3], poses[:, :, 3]))
