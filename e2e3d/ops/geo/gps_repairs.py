"""What single photographs' GPS positions say that the whole set shows to be wrong.

A letter, a height of exactly 0, latitude and longitude exchanged in some, and the last fix stated again and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from e2e3d.data.photo import GpsPosition
from e2e3d.data.scene import Remark
from e2e3d.ops.geo import gps_remarks as words
from e2e3d.ops.geo.gps_readings import with_letters_of_most

_NEAR_DEG = 1.0  # one set of photographs spans less
_MOST = 2 / 3
_SEA_M = 10.0  # beside heights within that of 0, 0 may be meant


def repair_positions(
    names: Sequence[str], positions: Sequence[GpsPosition]
) -> tuple[list[GpsPosition], tuple[Remark, ...]]:
    """Positions with one hemisphere for all of a set and without heights that are none; and what was changed."""
    remarks = words.impossible_heights(names, positions)
    positions, exchanged = _in_one_order(positions)
    if exchanged:
        remarks += (words.orders_differ([names[i] for i in exchanged]),)
    turned: set[int] = set()
    for coordinate in ("latitude", "longitude"):
        positions, wrong = _in_one_hemisphere(positions, coordinate)
        turned |= wrong
    if turned:
        remarks += (words.letters_differ([names[i] for i in sorted(turned)]),)
    positions, zero = _without_zero_heights(positions)
    if zero:
        remarks += (words.zero_heights([names[i] for i in zero]),)
    return with_letters_of_most(positions), remarks


def held_fixes(positions: Sequence[GpsPosition | None]) -> frozenset[int]:
    """Those that state exactly the place of one before them, as a receiver does that has no new fix."""
    seen: set[tuple[float, float]] = set()
    held = set()
    for index, position in enumerate(positions):
        if position is None:
            continue
        place = (position.latitude_deg, position.longitude_deg)
        if place in seen:
            held.add(index)
        seen.add(place)
    return frozenset(held)


def _in_one_order(positions: Sequence[GpsPosition]) -> tuple[list[GpsPosition], list[int]]:
    """Exchange latitude and longitude where they stand the other way round than in most, or in the first of as many.

    Signs are those of the others: a letter may have gone with its number or not. Where the order kept is the wrong one,
    the cameras' layout tells, since exchanged positions are its mirror image.

    Returns:
        The positions, and which were exchanged.
    """
    size = np.abs([(position.latitude_deg, position.longitude_deg) for position in positions]).reshape(-1, 2)
    if len(size) == 0:
        return list(positions), []
    near = [(np.abs(size - place) < _NEAR_DEG).all(axis=1) for place in (size[0], size[0, ::-1])]
    one, other = near
    if not other.any() or (one & other).any() or (one | other).sum() < _MOST * len(size):
        return list(positions), []
    kept, wrong = (one, other) if one.sum() >= other.sum() else (other, one)
    if (size[wrong, 1] > 90).any():
        return list(positions), []
    signs = np.sign(
        np.median([(positions[i].latitude_deg, positions[i].longitude_deg) for i in np.flatnonzero(kept).tolist()], 0)
    )
    exchanged = np.flatnonzero(wrong).tolist()
    mended = list(positions)
    for i in exchanged:
        latitude, longitude = (signs * size[i, ::-1]).tolist()
        mended[i] = replace(positions[i], latitude_deg=latitude, longitude_deg=longitude)
    return mended, exchanged


def _in_one_hemisphere(positions: Sequence[GpsPosition], coordinate: str) -> tuple[list[GpsPosition], set[int]]:
    """Give positions that differ from the others by the sign alone that of most; without such, the letter is open.

    Returns:
        The positions, and which contradict the others.
    """
    name, doubt = f"{coordinate}_deg", f"no-{coordinate}-letter"
    values = np.array([getattr(position, name) for position in positions])
    stated = np.array([doubt not in position.doubts and "swapped" not in position.doubts for position in positions])
    size = np.abs(values)
    usual = float(np.median(size[stated])) if stated.any() else 0.0
    same = stated & (np.abs(size - usual) < _NEAR_DEG)
    positive = float(np.mean(values[same] > 0)) if same.any() else 1.0
    at_border = usual < _NEAR_DEG or (coordinate == "longitude" and usual > 180 - _NEAR_DEG)
    if at_border or positive in (0.0, 1.0):
        return list(positions), set()
    sign = 1.0 if positive >= 0.5 else -1.0
    certain = max(positive, 1 - positive) >= _MOST
    wrong = same & (values * sign < 0)
    mended = []
    for position, value, own, turn in zip(positions, values, same, wrong, strict=True):
        doubts = position.doubts if certain or not own else (*position.doubts, doubt)
        mended.append(replace(position, **{name: float(-value if turn else value)}, doubts=doubts))
    return mended, {int(i) for i in np.flatnonzero(wrong)}


def _without_zero_heights(positions: Sequence[GpsPosition]) -> tuple[list[GpsPosition], list[int]]:
    """Take out heights of exactly 0 where all are 0, or where the others are far from the sea; and which they are."""
    zero = [i for i, position in enumerate(positions) if position.altitude_m == 0.0]
    others = [abs(p.altitude_m) for p in positions if p.altitude_m]
    if len(zero) < len(positions) and (not others or min(others) < _SEA_M):
        zero = []
    mended = [replace(p, altitude_m=None) if i in zero else p for i, p in enumerate(positions)]
    return mended, zero
