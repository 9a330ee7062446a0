"""Find foreground fattening: depth beside a silhouette, over a flat background such as the sky.

A matching window beside a silhouette sees the silhouette, so stereo gives the flat pixels around an object the depth
of the object ("foreground fattening"), in all views alike, so that comparing views does not remove it. It is found by
colour: a flood fill runs from the empty space around the object inwards over flat pixels until the silhouette's edge
stops it. A plain wall beside a drain pipe looks the same in one view; but other views see past the shell that grows
around an object, and none sees past a wall (:func:`refuted_rims`).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

_REACH = 12  # pixels that stereo grows over an edge, at most: its window and what coarse levels add
_FLAT = 10  # grey levels within 3 x 3 pixels
_EDGE = 40  # grey levels within 3 x 3 pixels
_EMPTY = 1 / 14  # smallest width of the empty space, in heights or widths of the image, whichever is less
_BLUR = 2  # width of an edge in an image, pixels
SURE = 0.5  # confidence from which a depth counts against what lies in front of it
_PAST = 3.0  # pixels' widths that a point must lie in front of it
REFUTED = 0.15  # share of a rim's points that must be


def suspect_rims(depth: NDArray[np.float32], image: NDArray[np.uint8]) -> Mask:
    """Which pixels [H, W] may carry depth that belongs to the other side of a nearby edge.

    Args:
        depth: float32 [H, W], 0 = none.
        image: uint8 [H, W, 3] RGB.
    """
    around = np.ones((3, 3), np.uint8)
    steps = cv2.morphologyEx(image, cv2.MORPH_GRADIENT, around).max(2)
    empty = _wide(depth <= 0)
    flat = (steps <= _FLAT).astype(np.uint8)
    near_edge = cv2.dilate((steps >= _EDGE).astype(np.uint8), around, iterations=_REACH)
    flood = empty.copy()
    for _ in range(_REACH):
        flood |= cv2.dilate(flood, around) & flat
    rim = flood & near_edge & ~empty
    rim = cv2.dilate(rim, around, iterations=_BLUR)
    return np.asarray((rim > 0) & (depth > 0))


def refuted_rims(suspect: Mask, refuted: Mask, least_share: float = REFUTED) -> Mask:
    """The connected parts of `suspect` [H, W] of which other views refute a fair share.

    Args:
        suspect: from :func:`suspect_rims`.
        refuted: bool [K], for the suspect pixels in row order: whether another view sees past the point.
        least_share: of a part's pixels that must be refuted.
    """
    count, labels = cv2.connectedComponents(suspect.astype(np.uint8), connectivity=8)
    of_suspects = labels[suspect]
    share = np.bincount(of_suspects, refuted, count) / np.maximum(np.bincount(of_suspects, minlength=count), 1)
    share[0] = 0
    return np.asarray((share >= least_share)[labels])


def nearest_around(depth: NDArray[np.float32], confidence: NDArray[np.float32]) -> NDArray[np.float32]:
    """The nearest of the 3 x 3 depths around each pixel [H, W] where all of them are sure, else 0."""
    sure = np.where(confidence >= SURE, depth, np.float32(0))
    return np.asarray(cv2.erode(sure, np.ones((3, 3), np.uint8)))


def seen_past(
    points_world: NDArray[np.float64],
    nearest: NDArray[np.float32],
    intrinsics_px: NDArray[np.float64],
    cam_from_world: NDArray[np.float64],
) -> Mask:
    """Which points [N, 3] lie clearly in front of what a view sees there; `nearest` by :func:`nearest_around`."""
    inside, row, column, z = pixels_of(points_world, nearest.shape, intrinsics_px, cam_from_world)
    seen = nearest[row, column]
    past = np.zeros(len(points_world), np.bool_)
    past[inside] = (seen > 0) & (seen - z > _PAST * z / intrinsics_px[0])
    return past


def pixels_of(
    points_world: NDArray[np.float64],
    shape: tuple[int, ...],
    intrinsics_px: NDArray[np.float64],
    cam_from_world: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Which points [N, 3] fall into a view of `shape` (H, W): their indices, rows, columns and depths, each [K]."""
    points_cam = points_world @ cam_from_world[:, :3].T + cam_from_world[:, 3]
    z = points_cam[:, 2]
    fx, fy, cx, cy = intrinsics_px
    safe = np.where(z > 0, z, 1)
    x, y = np.floor(fx * points_cam[:, 0] / safe + cx), np.floor(fy * points_cam[:, 1] / safe + cy)
    inside = np.flatnonzero((z > 0) & (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0]))
    return inside, y[inside].astype(np.int64), x[inside].astype(np.int64), z[inside]


def _wide(empty: Mask) -> NDArray[np.uint8]:
    """The parts of `empty` [H, W] that a wide square fits into, closed over speckles, as 0 and 1."""
    side = max(3, round(_EMPTY * min(empty.shape)))
    small, square = np.ones((3, 3), np.uint8), np.ones((side, side), np.uint8)
    closed = cv2.morphologyEx(empty.astype(np.uint8), cv2.MORPH_CLOSE, small)
    seeds = cv2.morphologyEx(closed, cv2.MORPH_OPEN, square)
    _, labels = cv2.connectedComponents(closed, connectivity=4)
    wide = np.zeros(int(labels.max()) + 1, np.uint8)
    wide[np.unique(labels[seeds > 0])] = 1
    wide[0] = 0
    return np.asarray(wide[labels] & empty)
