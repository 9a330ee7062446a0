"""Which way is up, from how cameras are held.

Three kinds of evidence, the surest first. The gimbal's own angles (XMP, maker notes). Level horizontal axes: a camera
is rarely rolled, so up is the direction most at right angles to all horizontal axes (Szeliski, "Image Alignment and
Stitching", 2006, section 5.2); on the side of the pictures' tops, or, for cameras that look down so steeply that tops
are no evidence, opposite to the views: cameras of a flight do not look at the sky. Where all horizontal axes lie on one
line, they leave a choice between views that look ahead and views that look down: tops that point both ways are of a
flight to and fro over the ground; a plane that the views meet obliquely is the ground; else the axis about which the
cameras turned, and along which they moved, decides. Where nothing decides, up is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.photo import CameraAttitude
from e2e3d.ops.geo.sideways import quarter_turns, turned

_MIN_AGREEMENT = 0.4  # length of the mean of directions below which they point everywhere
_AXES_SPREAD = 0.03  # mean square of horizontal axes across their line, from which they span a plane (10 degrees)
_LEVEL_RATIO = 4.0  # by how much they must spread more in that plane than out of it
_MAX_ROLL = 0.12  # mean square of their component along up: rolled by 20 degrees
_TOP_WEIGHT = 0.003
_DECISIVE_MOVE, _DECISIVE_TURN = 3.0, 2.0
_MIN_JITTER_DEG = 0.5
# Standard deviations: gimbals, levelled cameras, nadir views, views to the horizon.
_ATTITUDE_DEG, _LEVEL_DEG, _DOWN_DEG, _AHEAD_DEG = 2.0, 2.0, 4.0, 5.0
_SAME_DEG = 10.0
_GROUND_DEG = 8.0
_BOTH_WAYS = 0.1  # share of the fewer, from which views go both ways
_TOPS_TELL = 0.35  # length of the mean of tops: views 20 degrees or more off the vertical
_MIN_POINTS, _FLATNESS = 100, 0.25  # a plane: thickness over its shorter extent
_OBLIQUE_DEG = (20.0, 75.0)
_CHOICES_DEG = np.arange(-20.0, 106.0, 5.0)
LEVEL_CHOICE, DOWN_CHOICE = 4, 22  # of the choices: views to the horizon, and straight down


@dataclass(frozen=True)
class UpEstimate:
    """What the views say of up.

    Attributes:
        direction: unit vector float64 [3] in the world of the poses; None when it is unknown.
        accuracy_deg: one standard deviation.
        source: ``attitude``, ``level``, ``down`` (views look straight down), ``ahead`` (they look to the horizon),
            ``ground`` (they look obliquely at a plane).
        reason: why it is unknown, a whole sentence.
        choices: unit vectors float64 [N, 3] to choose from where only the horizontal axis is known, from views that
            look up a little over level ones to ones that look straight down; None when nothing is known.
        by_movement: whether only the cameras' movement decided between these.
        sideways: indices of the photographs that lie on their side beside the others, and were turned for this.
    """

    direction: NDArray[np.float64] | None
    accuracy_deg: float = 180.0
    source: str = ""
    reason: str = ""
    choices: NDArray[np.float64] | None = None
    by_movement: bool = False
    sideways: tuple[int, ...] = ()


def up_direction(cam_from_world: Sequence[NDArray[np.float64]]) -> NDArray[np.float64] | None:
    """Unit vector to the sky, in the world of the poses (float64 [3, 4]); None when it is unknown."""
    return estimate_up(cam_from_world).direction


def estimate_up(
    cam_from_world: Sequence[NDArray[np.float64]],
    attitudes: Sequence[CameraAttitude | None] = (),
    points_world: NDArray[np.float64] | None = None,
    portrait: NDArray[np.bool_] | None = None,
) -> UpEstimate:
    """Up by all the evidence of the views.

    Args:
        cam_from_world: float64 [3, 4] for each photograph.
        attitudes: of each photograph, where its camera states it; empty for none.
        points_world: float64 [N, 3], for the ground under views that look obliquely down; None = not known.
        portrait: which photographs are higher than wide, bool [N]; None = not known.
    """
    poses = np.array(cam_from_world)
    stated = up_of_attitudes(poses[:, :, :3], attitudes)
    if stated is not None:
        return UpEstimate(stated, _ATTITUDE_DEG, "attitude")
    turns = quarter_turns(poses[:, :, :3], portrait)
    found = _up_of_views(turned(poses, turns), points_world)
    return replace(found, sideways=tuple(np.flatnonzero(turns).tolist()))


def _up_of_views(poses: NDArray[np.float64], points_world: NDArray[np.float64] | None) -> UpEstimate:
    rotations = poses[:, :, :3]
    level = rotations[:, 0]
    scatter = level.T @ level / len(level)
    values, vectors = np.linalg.eigh(scatter)
    if values[1] >= _AXES_SPREAD and values[1] >= _LEVEL_RATIO * values[0] and values[0] <= _MAX_ROLL:
        return _level_up(rotations, vectors[:, 0], values)
    if values[1] >= _AXES_SPREAD:
        return _rolled_up(rotations)
    return _up_about_axis(poses, vectors[:, 2], points_world)


def up_of_attitudes(
    rotations: NDArray[np.float64], attitudes: Sequence[CameraAttitude | None]
) -> NDArray[np.float64] | None:
    """Up that most of the stated pitches and rolls agree with, at least three; None without."""
    known = [
        (rotation.T @ up_in_camera(attitude.pitch_deg, attitude.roll_deg or 0.0))
        for rotation, attitude in zip(rotations, attitudes, strict=False)
        if attitude is not None and attitude.pitch_deg is not None
    ]
    if len(known) < 3:
        return None
    ups = np.array(known)
    agreeing = ups @ ups.T >= np.cos(np.radians(_SAME_DEG))
    best = agreeing[agreeing.sum(axis=1).argmax()]
    if best.sum() <= len(ups) / 2:
        return None
    return _unit(ups[best].mean(axis=0))


def up_in_camera(pitch_deg: float, roll_deg: float) -> NDArray[np.float64]:
    """Up in the camera's axes (x right, y down, z ahead), for a view `pitch_deg` above the horizon."""
    pitch, roll = np.radians([pitch_deg, roll_deg])
    return np.array([-np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch), np.sin(pitch)])


def _level_up(rotations: NDArray[np.float64], axis: NDArray[np.float64], values: NDArray[np.float64]) -> UpEstimate:
    """Up along `axis`: on the side of the tops, or where these say little, opposite to the views."""
    top, ahead = float((-rotations[:, 1] @ axis).mean()), float((rotations[:, 2] @ axis).mean())
    if abs(top) < 0.25 and abs(ahead) < 0.5:
        return UpEstimate(None, reason="The photographs' tops point up and down alike, and so do their views.")
    sign = np.sign(top) if abs(top) >= 0.25 else -np.sign(ahead)
    accuracy = max(_LEVEL_DEG, float(np.degrees(np.sqrt(max(values[0], 0.0) / values[1] / len(rotations)))))
    return UpEstimate(sign * axis, accuracy, "level")


def _rolled_up(rotations: NDArray[np.float64]) -> UpEstimate:
    """Cameras that were rolled every way: only the mean of their tops, or of views that all look down, is left."""
    mean_top = -rotations[:, 1].mean(axis=0)
    if np.linalg.norm(mean_top) >= _MIN_AGREEMENT:
        level = rotations[:, 0]
        top = _unit(mean_top)
        scatter = level.T @ level / len(level) + _TOP_WEIGHT * (np.eye(3) - np.outer(top, top))
        up = np.linalg.eigh(scatter)[1][:, 0]
        return UpEstimate(up * np.sign(up @ top), 10.0, "level")
    return UpEstimate(None, reason="The photographs' tops point everywhere.")


def _up_about_axis(
    poses: NDArray[np.float64], axis: NDArray[np.float64], points_world: NDArray[np.float64] | None
) -> UpEstimate:
    """Up at right angles to the one line on which all horizontal axes lie."""
    rotations = poses[:, :, :3]
    forth = rotations[:, 0] @ axis > 0
    if min(forth.sum(), (~forth).sum()) >= _BOTH_WAYS * len(forth):
        return _up_of_two_ways(rotations[forth], rotations[~forth], axis)
    most = rotations[forth] if forth.sum() >= len(forth) / 2 else rotations[~forth]
    top, ahead = _across(-most[:, 1].mean(axis=0), axis), _across(most[:, 2].mean(axis=0), axis)
    if min(np.linalg.norm(top), np.linalg.norm(ahead)) < _MIN_AGREEMENT:
        return UpEstimate(None, reason="The photographs' tops and views point everywhere.")
    choices = _choices(_unit(top), _unit(ahead))
    ground = None if points_world is None else _oblique_ground(points_world, axis, _unit(top), _unit(ahead))
    if ground is not None:
        return UpEstimate(ground, _GROUND_DEG, "ground", choices=choices, by_movement=True)
    turned, moved = _turns_of_down_views(poses, _unit(top), _unit(ahead)), _moves_of_flights(poses, _unit(top), axis)
    looks_down = moved if turned is None else turned
    if looks_down is None or (moved is not None and moved != looks_down):
        reason = "All photographs look the same way: ahead at something upright, or down at the ground."
        return UpEstimate(None, reason=reason, choices=choices)
    if looks_down:
        return UpEstimate(-_unit(ahead), _DOWN_DEG, "down", choices=choices, by_movement=turned is None)
    return UpEstimate(_unit(top), _AHEAD_DEG, "ahead", choices=choices, by_movement=turned is None)


def _choices(top: NDArray[np.float64], ahead: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ups for views from 20 degrees above the horizon to straight down and a little beyond."""
    angles = np.radians(_CHOICES_DEG)[:, None]
    square_top = _unit(top - (top @ ahead) * ahead)
    return np.asarray(np.cos(angles) * square_top - np.sin(angles) * ahead)


def _up_of_two_ways(forth: NDArray[np.float64], back: NDArray[np.float64], axis: NDArray[np.float64]) -> UpEstimate:
    """Up of views to and fro: what their tops have in common, or, when they look straight down, opposite to them."""
    top = _across(-(forth[:, 1].mean(axis=0) + back[:, 1].mean(axis=0)) / 2, axis)
    ahead = _across((forth[:, 2].mean(axis=0) + back[:, 2].mean(axis=0)) / 2, axis)
    upward, forward = float(np.linalg.norm(top)), float(np.linalg.norm(ahead))
    if max(upward, forward) < _MIN_AGREEMENT:
        return UpEstimate(None, reason="The photographs' tops and views point everywhere.")
    if upward >= _TOPS_TELL:
        return UpEstimate(_unit(top), _DOWN_DEG, "level")
    return UpEstimate(-_unit(ahead), _DOWN_DEG, "down")


def _oblique_ground(
    points_world: NDArray[np.float64], axis: NDArray[np.float64], top: NDArray[np.float64], ahead: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The normal of a plane that the views meet obliquely, below their middle: the ground. None when there is none."""
    if len(points_world) < _MIN_POINTS:
        return None
    away = np.linalg.norm(points_world - np.median(points_world, axis=0), axis=1)
    near = points_world[away <= np.quantile(away, 0.9)]
    values, vectors = np.linalg.eigh(np.cov(near.T))
    normal = vectors[:, 0] * -np.sign(vectors[:, 0] @ ahead)
    slant_deg = np.degrees(np.arccos(np.clip(-normal @ ahead, -1, 1)))
    flat = values[0] <= _FLATNESS**2 * values[1]
    oblique = _OBLIQUE_DEG[0] <= slant_deg <= _OBLIQUE_DEG[1] and abs(normal @ axis) <= 0.3 and normal @ top > 0
    return normal if flat and oblique else None


def _turns_of_down_views(
    poses: NDArray[np.float64], top: NDArray[np.float64], ahead: NDArray[np.float64]
) -> bool | None:
    """Whether parallel views turn about themselves, as those that look down do, or about their tops, as level ones."""
    right = poses[:, 0, :3]
    about_view, about_top = (np.degrees(np.std(right @ axis)) for axis in (top, ahead))
    return _decided(float(about_view), float(about_top), _DECISIVE_TURN, _MIN_JITTER_DEG)


def _moves_of_flights(poses: NDArray[np.float64], top: NDArray[np.float64], across: NDArray[np.float64]) -> bool | None:
    """Whether the cameras moved along their tops, as in a flight, or across them, as along a facade."""
    centres = -np.einsum("nji,nj->ni", poses[:, :, :3], poses[:, :, 3])
    return _decided(float(np.std(centres @ top)), float(np.std(centres @ across)), _DECISIVE_MOVE, 0.0)


def _decided(first: float, second: float, ratio: float, least: float) -> bool | None:
    """Whether `first` is much larger; None when neither is."""
    if max(first, second) <= least:
        return None
    if first >= ratio * second:
        return True
    return False if second >= ratio * first else None


def _across(vector: NDArray[np.float64], axis: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector - (vector @ axis) * axis)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector))
