"""Do the matches agree with the final cameras? Every pair was verified by itself, without knowing the others.

The distance is Sampson's approximation (Hartley and Zisserman, "Multiple View Geometry", section 11.4.3) to the
epipolar geometry of the final cameras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Camera
from e2e3d.ops.evaluation.camera_signs import focal_length_px
from e2e3d.ops.photos.undistortion import normalised_from_image

_Z = 1.64


@dataclass(frozen=True)
class PairAgreement:
    """Two images by index, how many `matches` they have, and how many of them agree with the cameras.

    `held_back` and `held_back_agreeing` count those that are no two observations of one sparse point.
    """

    first: int
    second: int
    matches: int
    agreeing: int
    held_back: int
    held_back_agreeing: int

    @property
    def mostly_agrees(self) -> bool:
        """Whether at least half of the matches agree; else the pair shows things that look alike, or all is wrong."""
        return 2 * self.agreeing >= self.matches


def likely_share(agreeing: int, count: int) -> float:
    """Upper end of Wilson's interval, of 1.64 standard deviations, for the share that `agreeing` of `count` is.

    Few matches cannot prove much: nine of eleven are not held against a model.
    """
    share, z2 = agreeing / count, _Z * _Z
    middle = share + z2 / (2 * count)
    half = _Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    return (middle + half) / (1 + z2 / count)


def sampson_px(
    first_px: NDArray[np.float64],
    second_px: NDArray[np.float64],
    cameras: tuple[Camera, Camera],
    poses: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Distance in pixels of matched positions [M, 2] each to the epipolar geometry of two cameras, float64 [M].

    `poses` are cam_from_world [3, 4]. Infinite where a lens model cannot be inverted.
    """
    rotation = poses[1][:, :3] @ poses[0][:, :3].T
    t = poses[1][:, 3] - rotation @ poses[0][:, 3]
    essential = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]]) @ rotation
    ones = np.ones((len(first_px), 1))
    x1 = np.concatenate([normalised_from_image(cameras[0], first_px), ones], 1)
    x2 = np.concatenate([normalised_from_image(cameras[1], second_px), ones], 1)
    line2, line1 = x1 @ essential.T, x2 @ essential
    residual = np.abs(np.einsum("ij,ij->i", x2, line2))
    gradient = np.sqrt((line2[:, :2] ** 2).sum(1) + (line1[:, :2] ** 2).sum(1))
    focal_px = (focal_length_px(cameras[0]) + focal_length_px(cameras[1])) / 2
    return np.asarray(np.nan_to_num(focal_px * residual / np.maximum(gradient, 1e-12), nan=np.inf))


def points_of_keypoints(
    keypoints_px: NDArray[np.float32], observed_px: NDArray[np.float32], points: NDArray[np.int32]
) -> NDArray[np.int64]:
    """The sparse point that each keypoint [N, 2] of an image observes, int64 [N], -1 = none.

    Args:
        keypoints_px: of the image.
        observed_px: float32 [M, 2], the observations of the image, which are positions of keypoints.
        points: int32 [M], the points they belong to.
    """
    if not len(observed_px):
        return np.full(len(keypoints_px), -1)
    observed, wanted = _as_keys(observed_px), _as_keys(keypoints_px)
    order = np.argsort(observed)
    at = np.minimum(np.searchsorted(observed[order], wanted), len(order) - 1)
    found = order[at]
    return np.where(observed[found] == wanted, points[found], -1).astype(np.int64)


def _as_keys(positions_px: NDArray[np.float32]) -> NDArray[np.complex128]:
    return np.asarray(positions_px[:, 0].astype(np.float64) + 1j * positions_px[:, 1].astype(np.float64))


def disagreeing_images(pairs: list[PairAgreement], least_matches: int) -> list[int]:
    """Images of whose matches fewer than half agree; those with fewer than `least_matches` are not judged."""
    total: dict[int, int] = {}
    agreeing: dict[int, int] = {}
    for pair in pairs:
        for image in (pair.first, pair.second):
            total[image] = total.get(image, 0) + pair.matches
            agreeing[image] = agreeing.get(image, 0) + pair.agreeing
    return sorted(image for image, count in total.items() if count >= least_matches and 2 * agreeing[image] < count)
