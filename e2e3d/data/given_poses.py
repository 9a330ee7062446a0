"""Cameras and poses from elsewhere, which a run takes as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Camera, Georeference


@dataclass(frozen=True, eq=False)
class GivenPose:
    """Where a photograph was taken from, as somebody else says.

    Attributes:
        name: of the photograph, as it is called there.
        cam_from_world: float64 [3, 4], in OpenCV's axes.
        camera: None where nothing is said of it; its size is 0 where that is not said.
    """

    name: str
    cam_from_world: NDArray[np.float64]
    camera: Camera | None


@dataclass(frozen=True, eq=False)
class GivenPoses:
    """The poses of a set.

    Attributes:
        poses: of the photographs.
        source: what messages and the manifest call where they come from.
        frame: as of a :class:`~e2e3d.data.scene.Scene`.
        georeference: of a frame that has one.
    """

    poses: tuple[GivenPose, ...]
    source: str
    frame: str = "arbitrary"
    georeference: Georeference | None = None
