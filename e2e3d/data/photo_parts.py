"""Parts of a large set that are mapped apart, and the models that come of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Camera


@dataclass(frozen=True, eq=False)
class PhotoPart:
    """Photographs that are mapped together.

    Attributes:
        photos: int32 [N], ascending indices of usable photographs; neighbouring parts share some.
        blocks: int32 [B], which blocks of matches hold pairs of them.
    """

    photos: NDArray[np.int32]
    blocks: NDArray[np.int32]


@dataclass(frozen=True)
class PhotoParts:
    """The parts of a set; photographs without a verified match are in none."""

    parts: tuple[PhotoPart, ...]


@dataclass(frozen=True, eq=False)
class PartModel:
    """Cameras and points of a part, in a frame of its own.

    Attributes:
        photos: int32 [N], ascending indices of usable photographs.
        cam_from_world: float64 [N, 3, 4].
        camera_ids: int32 [N], of `cameras`.
        cameras: as the part found them.
        points_world: float64 [P, 3].
        observation_point: int32 [M], ascending indices into `points_world`.
        observation_photo: int32 [M], indices of usable photographs.
        observation_keypoint: int32 [M], keypoints of these photographs.
    """

    photos: NDArray[np.int32]
    cam_from_world: NDArray[np.float64]
    camera_ids: NDArray[np.int32]
    cameras: tuple[Camera, ...]
    points_world: NDArray[np.float64]
    observation_point: NDArray[np.int32]
    observation_photo: NDArray[np.int32]
    observation_keypoint: NDArray[np.int32]


@dataclass(frozen=True)
class PartModels:
    """All models of a part, largest first; none where its photographs did not become one."""

    models: tuple[PartModel, ...]
