"""Which reading of the GPS positions, with which up, puts the cameras where they say they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.photo import CameraAttitude, GpsPosition
from e2e3d.ops.geo.georeferencing import georeference, gps_origin, local_from_gps
from e2e3d.ops.geo.gps_readings import READINGS, GpsReading
from e2e3d.ops.geo.level_fit import PlanarFit, fit_planar
from e2e3d.ops.geo.upright import DOWN_CHOICE, LEVEL_CHOICE, UpEstimate

_SCANNED = 100
_HEIGHT_NOISE_M, _HEIGHT_NOISE_RATIO = 0.5, 0.02
_TIE = 8.0  # in log likelihood
_MAX_TIE_DEG, _MAX_DRIFT_DEG = 30.0, 40.0
_DOWNWARD = 0.9
_UNUSUAL, _USUAL_DEG = 3.0, 10.0  # in log likelihood, from so many degrees on
_FLIGHT_M = 25.0
_STEEP = 0.7
_HEADING_DEG = 60.0
_MIN_HEADINGS = 3


@dataclass(frozen=True)
class LocatedCameras:
    """Registered photographs that state a position, as the model has them.

    Attributes:
        centres: float64 [N, 3] and `rotations` float64 [N, 3, 3] (``cam_from_world``) in the model.
        positions: as the photographs state them.
        attitudes: as far as they state them.
        view_distance: median depth of what they see, in model units.
    """

    centres: NDArray[np.float64]
    rotations: NDArray[np.float64]
    positions: Sequence[GpsPosition]
    attitudes: Sequence[CameraAttitude | None]
    view_distance: float


@dataclass(frozen=True)
class Candidate:
    """One reading with the up that suits it.

    Attributes:
        positions: read so; `local_m` float64 [N, 3] east, north, up from `origin` (latitude, longitude, height).
        up: unit vector in the model; `basis` float64 [3, 3], rows are two horizontal axes and up.
        fit: of the horizontal positions.
    """

    reading: GpsReading
    positions: Sequence[GpsPosition]
    origin: tuple[float, float, float]
    local_m: NDArray[np.float64]
    up: NDArray[np.float64]
    basis: NDArray[np.float64]
    fit: PlanarFit


def level_basis(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """A rotation float64 [3, 3] whose third row is `up`."""
    other = np.eye(3)[np.abs(up).argmin()]
    first = np.cross(other, up)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(up, first), up])


def fit_readings(cameras: LocatedCameras, up: UpEstimate) -> list[Candidate]:
    """Every reading that is a place, with the best fit it allows (plausible or not)."""
    found = []
    for reading in READINGS:
        positions = reading.apply(cameras.positions)
        if positions is not None and (candidate := _fit_reading(cameras, up, reading, positions)) is not None:
            found.append(candidate)
    return found


def _fit_reading(
    cameras: LocatedCameras, up: UpEstimate, reading: GpsReading, positions: Sequence[GpsPosition]
) -> Candidate | None:
    origin = gps_origin(positions)
    local_m = local_from_gps(positions, origin)
    direction = up.direction if up.choices is None else _scanned_up(cameras, up, local_m)
    if direction is None and up.choices is None:
        direction = _up_of_positions(cameras, positions)
    if direction is None:
        return None
    basis = level_basis(direction)
    fit = fit_planar((cameras.centres @ basis.T)[:, :2], local_m[:, :2])
    return None if fit is None else Candidate(reading, positions, origin, local_m, direction, basis, fit)


def _up_of_positions(cameras: LocatedCameras, positions: Sequence[GpsPosition]) -> NDArray[np.float64] | None:
    """Up by the positions alone, on the side that does not have the cameras look at the sky."""
    fitted = georeference(cameras.centres, positions)
    if fitted is None:
        return None
    up = fitted[0].rotation[2]
    ahead = float((cameras.rotations[:, 2] @ up).mean())
    return None if ahead > _STEEP / 2 else np.asarray(up)


def _scanned_up(cameras: LocatedCameras, up: UpEstimate, local_m: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Of the ups that parallel views leave open the one that suits the positions; None when they leave it open, too.

    The horizontal positions decide where they can. Those on a line fit whatever the pitch; there the views' own
    evidence decides, unless the heights contradict it grossly (heights drift, so a little is no contradiction).
    """
    assert up.choices is not None
    used = np.unique(np.linspace(0, len(local_m) - 1, _SCANNED).astype(int))
    scored = [_score(cameras.centres[used], local_m[used], choice) for choice in up.choices]
    level, height, scale = np.array(scored).T
    level = level + _UNUSUAL * np.clip(_degrees_from_usual(up.choices) / _USUAL_DEG, 0, 1)
    tied = np.flatnonzero(level <= level.min() + _TIE)
    own = None if up.direction is None else int((up.choices @ up.direction).argmax())
    if _widest_deg(up.choices[tied]) <= _MAX_TIE_DEG:
        return up.direction if own in tied else np.asarray(up.choices[level.argmin()])
    best = up.choices[tied[(level + height)[tied].argmin()]]
    settled = _within_deg(height[tied], up.choices[tied]) <= _MAX_TIE_DEG
    drift_deg = _MAX_TIE_DEG / 2 if up.by_movement else _MAX_DRIFT_DEG
    if settled and (up.direction is None or up.direction @ best < np.cos(np.radians(drift_deg))):
        return np.asarray(best)
    if settled:
        return up.direction
    down = -cameras.rotations[:, 2].mean(axis=0)
    down /= np.linalg.norm(down)
    far = float(np.median(scale[tied])) * cameras.view_distance >= _FLIGHT_M
    if (up.direction is None or up.by_movement) and far and (up.choices[tied] @ down).max() > _DOWNWARD:
        return np.asarray(down)
    return up.direction


def _degrees_from_usual(choices: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each choice is from views that are level or look straight down, as most are."""
    level, down = choices[LEVEL_CHOICE], choices[DOWN_CHOICE]
    cosines = np.maximum(choices @ level, choices @ down)
    return np.asarray(np.degrees(np.arccos(np.clip(cosines, -1, 1))))


def _within_deg(scores: NDArray[np.float64], choices: NDArray[np.float64]) -> float:
    """The widest angle between the choices that are as good as the best."""
    return _widest_deg(choices[scores <= scores.min() + _TIE])


def _widest_deg(choices: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arccos(np.clip((choices @ choices.T).min(), -1, 1))))


def _score(
    centres: NDArray[np.float64], local_m: NDArray[np.float64], up: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Negative log likelihood of the horizontal positions and of the heights if `up` is right; metres per unit."""
    level = centres @ level_basis(up).T
    fit = fit_planar(level[:, :2], local_m[:, :2])
    if fit is None:
        return np.inf, np.inf, 0.0
    residuals = local_m[:, 2] - abs(fit.factor) * level[:, 2]
    away = np.abs(residuals - np.median(residuals))
    heights_m = 1.25 * float(np.minimum(away, 4 * max(float(np.median(away)), 1e-9)).mean())
    least_m = max(_HEIGHT_NOISE_M, _HEIGHT_NOISE_RATIO * fit.spread_m)
    missed = float(len(centres) - fit.inliers.sum())
    return (
        (2 * len(centres) - 4) * float(np.log(max(fit.noise_m, least_m / 10))) + _TIE * missed,
        (len(centres) - 2) * float(np.log(max(heights_m, least_m))),
        abs(fit.factor),
    )


def heading_share(candidate: Candidate, cameras: LocatedCameras) -> float | None:
    """Share of the stated headings that the fit agrees with; None when fewer than three are stated.

    Not all can be right: pictures that were turned upside down after the flight keep their heading.
    """
    agreeing = []
    for rotation, attitude in zip(cameras.rotations, cameras.attitudes, strict=True):
        if attitude is None or attitude.yaw_deg is None:
            continue
        towards = rotation[2] if abs(rotation[2] @ candidate.up) < _STEEP else -rotation[1]
        east_north = candidate.fit.factor * complex(*(candidate.basis @ towards)[:2])
        heading = np.degrees(np.arctan2(east_north.real, east_north.imag))
        agreeing.append(abs((heading - attitude.yaw_deg + 180) % 360 - 180) <= _HEADING_DEG)
    return float(np.mean(agreeing)) if len(agreeing) >= _MIN_HEADINGS else None
