"""Planes for the holes of flat walls without texture: the plane that fits the rest of the wall.

A planar prior as in TAPA-MVS (Romanoni and Matteucci, ICCV 2019), but for regions without texture
(:mod:`e2e3d.ops.stereo.blank_regions`) instead of superpixels, and after the agreement test instead of before it, when
the depths that define the plane are reliable. Gaps between textured surfaces are left to
:mod:`e2e3d.ops.stereo.gaps`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.ops.stereo.plane_search import at_pixels, fitted_plane, plane_of_most

_FLAT = 0.8  # share of a wall's depths that must lie on its plane
# By how much they may miss it, as shift in the sources: pixels, or longest sides of the image where that is more, for
# the noise of a wall's depths does not end with the size of its pixels.
_SAME_PX, _SAME_SIDES = 2.0, 1 / 400
_REACH = 1 / 10  # how far a plane goes beyond the depths it rests on, in longest sides of the image
_LEAST_DEPTHS = 100


def planes_of_walls(
    planes: NDArray[np.float32],
    region: NDArray[np.int32],
    keep: NDArray[np.bool_],
    gap: NDArray[np.bool_],
    inverse_shift: float,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Planes for the gaps of flat blank regions: the region's own, where the nearest depth lies on it too.

    Args:
        planes: float32 [H, W, 3], see :mod:`e2e3d.ops.stereo.planes`; read where `keep`.
        region: int32 [H, W], from :func:`e2e3d.ops.stereo.blank_regions.blank_regions`.
        keep: bool [H, W], which planes can be trusted.
        gap: bool [H, W], where a plane is wanted.
        inverse_shift: change of inverse depth that moves a source position by about one pixel.

    Returns:
        A copy of `planes` with those that were found, and where they were, bool [H, W].
    """
    filled, found = np.array(planes), np.zeros(gap.shape, np.bool_)
    if not keep.any():
        return filled, found
    distance_px, nearest = _nearest(keep)
    known = _by_region(keep, region)
    wanted = _by_region(gap & (distance_px <= _REACH * max(gap.shape)), region)
    tolerance = max(_SAME_PX, _SAME_SIDES * max(gap.shape)) * inverse_shift
    for number in sorted(known.keys() & wanted.keys()):
        plane = _common_plane(_points(planes, known[number]), tolerance)
        if plane is None:
            continue
        here = wanted[number]
        inverse_depth = at_pixels(plane, _points(planes, here))
        beside = _points(planes, nearest.ravel()[here])
        fits = (np.abs(at_pixels(plane, beside) - beside[:, 2]) <= tolerance) & (inverse_depth > 0)
        filled.reshape(-1, 3)[here[fits], 0] = inverse_depth[fits]
        filled.reshape(-1, 3)[here[fits], 1:] = plane[:2]
        found.ravel()[here[fits]] = True
    return filled, found


def _nearest(keep: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """How far the nearest pixel of `keep` is from every pixel [H, W], and its index in the flat image."""
    distance_px, label = cv2.distanceTransformWithLabels(
        (~keep).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    pixel = np.zeros(int(label.max()) + 1, np.int64)
    pixel[label[keep]] = np.flatnonzero(keep)
    return np.asarray(distance_px, np.float32), pixel[label]


def _by_region(mask: NDArray[np.bool_], region: NDArray[np.int32]) -> dict[int, NDArray[np.int64]]:
    """The pixels of `mask` in each blank region, as indices into the flat image."""
    pixels = np.flatnonzero(mask & (region > 0))
    numbers = region.ravel()[pixels]
    order = np.argsort(numbers, kind="stable")
    present, starts = np.unique(numbers[order], return_index=True)
    return dict(zip(present.tolist(), np.split(pixels[order], starts[1:]), strict=False))


def _points(planes: NDArray[np.float32], pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 [N, 3]: column, row and inverse depth at pixels given as indices into the flat image."""
    width = planes.shape[1]
    return np.stack([pixels % width, pixels // width, planes.reshape(-1, 3)[pixels, 0]], -1).astype(np.float64)


def _common_plane(points: NDArray[np.float64], tolerance: float) -> NDArray[np.float64] | None:
    """The plane, as :func:`at_pixels` takes it, on which nearly all of `points` [N, 3] lie; None if there is none."""
    if len(points) < _LEAST_DEPTHS:
        return None
    plane = plane_of_most(points, tolerance, np.random.default_rng(0))
    for _ in range(2):
        if plane is None:
            return None
        on_it = np.abs(at_pixels(plane, points) - points[:, 2]) <= tolerance
        if on_it.mean() < _FLAT:
            return None
        plane = fitted_plane(points[on_it])
    return plane
