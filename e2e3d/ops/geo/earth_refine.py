"""The best similarity near a levelled one: horizontal positions, heights and the views' up, each by its own accuracy.

Heights are judged apart from places: receivers err more in them, and differently (a receiver just switched on climbs
for minutes). Those that would tilt the model farther than the views' own accuracy allows are not used for its level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from e2e3d.ops.geo.earth_candidates import Candidate
from e2e3d.ops.geo.georeferencing import Similarity
from e2e3d.ops.geo.level_fit import fit_planar

_OUTLIER = 3.5
_FLOOR_M = 0.02
_ALLOWED = 3.5  # standard deviations of the views' up
_LOOSE = 3.0  # times as loosely the views hold the level while the heights' own tilt is judged
_STEEPEST_DEG = 35.0
_BETTER = 0.5  # times the noise of the places: so much better must they fit with a tilt that the views deny
_DRIFT_M, _DRIFT_RATIO = 2.0, 5.0  # how far good heights may drift in a flight: at most, and in terms of their noise
_ROUNDS, _HUBER_ROUNDS = 4, 30


@dataclass(frozen=True)
class RefinedFit:
    """Where the model stands.

    Attributes:
        similarity: from the model to local metres (east, north, up).
        places_agree: bool [N]; `heights_agree` bool [N], False also where none is stated.
        horizontal_error_m: root mean square over those that agree; `vertical_error_m` likewise, of all stated heights
            where they were not used, and None where none is stated.
        heights_used: whether they had a say in the level.
        tilt_deg: by how much the heights alone would tilt the model.
    """

    similarity: Similarity
    places_agree: NDArray[np.bool_]
    heights_agree: NDArray[np.bool_]
    horizontal_error_m: float
    vertical_error_m: float | None
    heights_used: bool
    tilt_deg: float


def refine(centres: NDArray[np.float64], candidate: Candidate, up_accuracy_deg: float | None) -> RefinedFit:
    """Refine a candidate.

    Args:
        centres: float64 [N, 3] in the model.
        candidate: a plausible fit.
        up_accuracy_deg: one standard deviation of the views' up; None when up came from the positions.
    """
    target = candidate.local_m
    stated = np.array([position.altitude_m is not None for position in candidate.positions])
    level = _levelled(candidate)
    loose_deg = None if up_accuracy_deg is None else _LOOSE * up_accuracy_deg
    slopes = _slopes(level.apply(centres), target, stated & candidate.fit.inliers, loose_deg)
    tilt_deg = math.degrees(math.atan(float(np.hypot(*slopes))))
    if stated.sum() < 3 or not _usable(centres, candidate, level, slopes, tilt_deg, up_accuracy_deg):
        return _without_heights(level, centres, candidate, stated, tilt_deg)
    prior_deg = up_accuracy_deg if up_accuracy_deg is None or tilt_deg <= _ALLOWED * up_accuracy_deg else None
    adjusted = _adjust(level, centres, candidate, stated, prior_deg)
    if adjusted is None:
        return _without_heights(level, centres, candidate, stated, tilt_deg)
    similarity, places, heights = adjusted
    errors = similarity.apply(centres) - target
    horizontal_m = math.sqrt(float((errors[places, :2] ** 2).sum(axis=1).mean()))
    vertical_m = math.sqrt(float((errors[heights, 2] ** 2).mean()))
    return RefinedFit(similarity, places, heights, horizontal_m, vertical_m, True, tilt_deg)


def _levelled(candidate: Candidate) -> Similarity:
    """The candidate in three dimensions, with the middle of its heights at 0."""
    factor, shift = candidate.fit.factor, candidate.fit.shift
    turn = Rotation.from_euler("z", float(np.angle(factor))).as_matrix()
    return Similarity(abs(factor), turn @ candidate.basis, np.array([shift.real, shift.imag, 0.0]))


def _tilted(slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest rotation that gives a level plane the slopes, float64 [2], in metres a metre."""
    normal = np.array([-slopes[0], -slopes[1], 1.0])
    normal /= np.linalg.norm(normal)
    axis = np.cross([0.0, 0.0, 1.0], normal)
    sine = float(np.linalg.norm(axis))
    return np.asarray(Rotation.from_rotvec(axis / sine * math.asin(min(sine, 1.0))).as_matrix()) if sine else np.eye(3)


def _slopes(
    level_m: NDArray[np.float64],
    target: NDArray[np.float64],
    used: NDArray[np.bool_],
    up_accuracy_deg: float | None,
    already: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """How the stated heights rise over the levelled model, east and north, float64 [2].

    Robust (Huber's weights), and with the views' level as prior, so that directions in which the cameras hardly spread
    stay level; `already` is by how much the model leans from that level. Heights that are good to a decimetre from one
    photograph to the next still drift over a flight; so they weigh as ones that do.
    """
    if used.sum() < 3:
        return np.zeros(2)
    place = level_m[used, :2] - level_m[used, :2].mean(axis=0)
    rise = target[used, 2] - level_m[used, 2]
    design = np.concatenate([place, np.ones((len(place), 1))], axis=1)
    precision = np.array([1.0, 1.0, 0.0]) / math.tan(math.radians(up_accuracy_deg or 60.0)) ** 2
    centre = np.zeros(3) if already is None else np.array([*-already, 0.0])
    solution = np.array([0.0, 0.0, float(np.median(rise))])
    for _ in range(_HUBER_ROUNDS):
        errors = np.abs(rise - design @ solution)
        noise_m = max(1.4826 * float(np.median(errors)), _FLOOR_M)
        drifting_m = max(noise_m, min(_DRIFT_M, _DRIFT_RATIO * noise_m) * math.sqrt(len(rise)) / 2)
        weights = np.minimum(1.0, noise_m / np.maximum(errors, 1e-9)) / drifting_m**2
        normal = design.T @ (weights[:, None] * design) + np.diag(precision)
        solution = np.linalg.solve(normal, design.T @ (weights * rise) + precision * centre)
    return np.asarray(solution[:2])


def _usable(
    centres: NDArray[np.float64],
    candidate: Candidate,
    level: Similarity,
    slopes: NDArray[np.float64],
    tilt_deg: float,
    up_accuracy_deg: float | None,
) -> bool:
    """Whether the heights' tilt is within what the views allow, or the places, too, fit clearly better with it."""
    if up_accuracy_deg is None or tilt_deg <= _ALLOWED * up_accuracy_deg:
        return True
    if tilt_deg > _STEEPEST_DEG:
        return False
    turned = centres @ (_tilted(slopes) @ level.rotation).T
    fit = fit_planar(turned[:, :2], candidate.local_m[:, :2])
    return fit is not None and fit.noise_m < _BETTER * candidate.fit.noise_m and fit.plausible()


def _without_heights(
    level: Similarity,
    centres: NDArray[np.float64],
    candidate: Candidate,
    stated: NDArray[np.bool_],
    tilt_deg: float,
) -> RefinedFit:
    rise = candidate.local_m[:, 2] - level.apply(centres)[:, 2]
    middle = float(np.median(rise[stated])) if stated.any() else float(np.median(rise))
    similarity = Similarity(level.scale, level.rotation, level.translation + np.array([0.0, 0.0, middle]))
    errors = (similarity.apply(centres) - candidate.local_m)[candidate.fit.inliers]
    horizontal_m = math.sqrt(float((errors[:, :2] ** 2).sum(axis=1).mean()))
    vertical_m = float(np.std(rise[stated])) if stated.any() else None
    return RefinedFit(
        similarity, candidate.fit.inliers, np.zeros(len(centres), bool), horizontal_m, vertical_m, False, tilt_deg
    )


def _adjust(
    level: Similarity,
    centres: NDArray[np.float64],
    candidate: Candidate,
    stated: NDArray[np.bool_],
    up_accuracy_deg: float | None,
) -> tuple[Similarity, NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Level by heights and views, and place, heading and scale by the horizontal positions, by turns.

    None when fewer than half of the heights, or too few places, agree in the end.
    """
    target, slopes = candidate.local_m, np.zeros(2)
    similarity, places = level, candidate.fit.inliers
    for _ in range(_ROUNDS):
        moved = similarity.apply(centres)
        slopes = slopes + _slopes(moved, target, stated & places, up_accuracy_deg, slopes)
        rotation = _tilted(slopes) @ level.rotation
        fit = fit_planar((centres @ rotation.T)[:, :2], target[:, :2])
        if fit is None:
            return None
        turn = Rotation.from_euler("z", float(np.angle(fit.factor))).as_matrix()
        level = Similarity(abs(fit.factor), turn @ level.rotation, level.translation)
        slopes = turn[:2, :2] @ slopes
        similarity = Similarity(level.scale, turn @ rotation, np.array([fit.shift.real, fit.shift.imag, 0.0]))
        places = fit.inliers
    if not (stated & places).any():
        return None
    rise = target[:, 2] - similarity.apply(centres)[:, 2]
    middle = float(np.median(rise[stated & places]))
    noise_m = 1.4826 * float(np.median(np.abs(rise[stated] - middle)))
    heights = stated & (np.abs(rise - middle) <= max(_OUTLIER * noise_m, _FLOOR_M))
    if heights.sum() < stated.sum() / 2:
        return None
    up_m = np.array([0.0, 0.0, float(rise[heights].mean())])
    return Similarity(similarity.scale, similarity.rotation, similarity.translation + up_m), places, heights
