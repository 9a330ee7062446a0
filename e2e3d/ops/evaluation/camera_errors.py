"""Camera error after the best similarity (Umeyama, "Least-squares estimation of transformation parameters", 1991)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.errors import InputError
from e2e3d.ops.geo.georeferencing import Similarity, fit_similarity

Poses = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class CameraError:
    """Errors of the registered cameras in the reference's unit and in degrees, after the best similarity.

    Attributes:
        registered: photographs that have a pose in both; `expected` those that have one in the reference.
    """

    registered: int
    expected: int
    position_median: float
    position_max: float
    rotation_median_deg: float
    rotation_max_deg: float


@dataclass(frozen=True)
class PoseError:
    """Error of one camera, after the best similarity of all: `position` in the reference's unit."""

    name: str
    position: float
    rotation_deg: float


def camera_error(estimated: Poses, reference: Poses) -> CameraError:
    """Compare poses (cam_from_world [3, 4] by photograph) after aligning the camera centres.

    Raises:
        InputError: ``too-few-cameras`` when fewer than three photographs are in both.
    """
    errors = pose_errors(estimated, reference)
    distances = np.array([error.position for error in errors])
    angles = np.array([error.rotation_deg for error in errors])
    return CameraError(
        registered=len(errors),
        expected=len(reference),
        position_median=float(np.median(distances)),
        position_max=float(distances.max()),
        rotation_median_deg=float(np.median(angles)),
        rotation_max_deg=float(angles.max()),
    )


def pose_errors(estimated: Poses, reference: Poses) -> tuple[PoseError, ...]:
    """The error of each camera that is in both, by name. Raises as :func:`camera_error`."""
    names = common_names(estimated, reference)
    similarity = align_cameras(estimated, reference)
    found = similarity.apply(_centers(estimated, names))
    distances = np.linalg.norm(found - _centers(reference, names), axis=1)
    return tuple(
        PoseError(
            name,
            float(distance),
            _angle_deg(reference[name][:, :3] @ similarity.rotation @ estimated[name][:, :3].T),
        )
        for name, distance in zip(names, distances, strict=True)
    )


def align_cameras(estimated: Poses, reference: Poses) -> Similarity:
    """The similarity that takes the estimated camera centres closest to those of the reference."""
    names = common_names(estimated, reference)
    return fit_similarity(_centers(estimated, names), _centers(reference, names))


def common_names(estimated: Poses, reference: Poses) -> list[str]:
    """Photographs in both, sorted.

    Raises:
        InputError: when there are fewer than three.
    """
    names = sorted(set(estimated) & set(reference))
    if len(names) < 3:
        raise InputError(
            "too-few-cameras",
            f"Only {len(names)} photographs are both in the result and in the reference; three are needed.",
            "Do the names of the photographs match? "
            f"Result: {', '.join(sorted(estimated)[:3])} ...; reference: {', '.join(sorted(reference)[:3])} ...",
        )
    return names


def _centers(poses: Poses, names: list[str]) -> NDArray[np.float64]:
    """Camera centres [N, 3], exact even where a reference's rotations are rounded and so not quite orthogonal."""
    return np.array([np.linalg.solve(poses[name][:, :3], -poses[name][:, 3]) for name in names])


def _angle_deg(rotation: NDArray[np.float64]) -> float:
    """Angle of a rotation from its trace, the definition that published figures use."""
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))
