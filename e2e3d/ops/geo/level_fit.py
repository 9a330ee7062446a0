"""Fit camera centres with known up to their GPS positions: place, heading and scale from horizontal positions only.

With up known, four numbers remain, and in the plane they are one complex factor and one complex shift. They have no
mirror image, so a mirrored position list fits badly instead of turning the model over, and centres on one line do.
Robust by least median of squares over pairs (Rousseeuw, "Least Median of Squares Regression", 1984): the noise is
estimated from the data, so outliers, however far, have no influence.

A receiver's errors resemble those of the photograph before, and errors that drift so pull a scale farther than their
size tells. They are taken for a first-order autoregressive process in the order of the photographs, whose correlation
is estimated from the residuals and corrected for their small number (Marriott and Pope, "Bias in the Estimation of
Autocorrelations", Biometrika 1954).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import t as student

_SEED = 19840912
_ALL_PAIRS = 40
_PAIRS = 800
_OUTLIER = 3.5  # standard deviations
_FLOOR_M = 0.02
_MIN_SPREAD_M = 4.0  # below it, a path looks like the drift of a receiver, unless its accuracy is stated
_MAX_NOISE_RATIO = 0.5
_MAX_SCALE_ERROR = 0.1
_MAX_CHANCE = 1e-3
_MOST_CORRELATED, _LEAST_FREE = 0.97, 0.1
_BOUND = 0.95


@dataclass(frozen=True)
class PlanarFit:
    """``target = factor * source + shift`` in the complex plane (x + iy).

    Attributes:
        inliers: bool [N], the positions that agree.
        noise_m: standard deviation of one coordinate of those, corrected for the degrees of freedom.
        spread_m: root mean square distance of their targets from their mean.
        scale_error: relative standard error of the factor's size (and of its angle, in radians), were each position's
            error its own.
        typical_error_m: median distance of all positions from where they should be.
        scale_bound: relative error of the factor's size that 95 of 100 fits stay within, their errors being as alike
            from one position to the next as they are.
    """

    factor: complex
    shift: complex
    inliers: NDArray[np.bool_]
    noise_m: float
    spread_m: float
    scale_error: float
    typical_error_m: float = math.inf
    scale_bound: float = math.inf

    def apply(self, source: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move points float64 [N, 2]."""
        moved = self.factor * (source[:, 0] + 1j * source[:, 1]) + self.shift
        return np.stack([moved.real, moved.imag], 1)

    def plausible(self, stated_accuracy_m: float | None = None) -> bool:
        """Whether most positions agree, better than chance, on a path that stands out from their noise."""
        count = int(self.inliers.sum())
        least_m = _MIN_SPREAD_M if stated_accuracy_m is None else min(_MIN_SPREAD_M, 5 * stated_accuracy_m)
        return (
            count >= max(3, len(self.inliers) / 2)
            and self.spread_m >= least_m
            and math.sqrt(2) * self.noise_m <= _MAX_NOISE_RATIO * self.spread_m
            and self.scale_error <= _MAX_SCALE_ERROR
            and self._chance() <= _MAX_CHANCE
        )

    def _chance(self) -> float:
        """Probability that unrelated positions fit so well: of a complex correlation coefficient (Goodman, 1963)."""
        count = int(self.inliers.sum())
        unexplained = (2 * count - 4) * self.noise_m**2 / (count * self.spread_m**2)
        return float(min(unexplained, 1.0) ** (count - 2))


def fit_planar(source: NDArray[np.float64], target_m: NDArray[np.float64]) -> PlanarFit | None:
    """Fit `source` to `target_m`, float64 [N, 2] both; None for fewer than three or when all are in one place."""
    z, w = source[:, 0] + 1j * source[:, 1], target_m[:, 0] + 1j * target_m[:, 1]
    if len(z) < 3 or np.ptp(z.real) + np.ptp(z.imag) <= 0:
        return None
    residuals, scale = _least_median(z, w)
    inliers = residuals <= max(_OUTLIER * scale, _FLOOR_M)
    for _ in range(20):
        if inliers.sum() < 3:
            return None
        fit = _least_squares(z, w, inliers)
        residuals = np.abs(fit.factor * z + fit.shift - w)
        again = residuals <= max(_OUTLIER * max(fit.noise_m, 0.5 * scale), _FLOOR_M)
        if np.array_equal(again, inliers):
            break
        inliers = again
    return replace(fit, typical_error_m=float(np.median(residuals)), scale_bound=_scale_bound(z, w, fit))


def _least_median(z: NDArray[np.complex128], w: NDArray[np.complex128]) -> tuple[NDArray[np.float64], float]:
    """Residuals of the pair's fit whose median residual is least, and the noise of a coordinate it implies."""
    first, second = _pairs(z)
    factor = (w[first] - w[second]) / (z[first] - z[second])
    shift = w[first] - factor * z[first]
    residuals = np.abs(factor[:, None] * z + shift[:, None] - w)
    majority = min(len(z), len(z) // 2 + 2)
    scores = np.partition(residuals, majority - 1, axis=1)[:, majority - 1]
    best = int(scores.argmin())
    quantile = majority / (len(z) + 1)
    scale = (1 + 5 / max(len(z) - 2, 1)) * scores[best] / math.sqrt(-2 * math.log(1 - quantile))
    return residuals[best], float(scale)


def _pairs(z: NDArray[np.complex128]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of points that are not close together: all of a small set, a sample of a large one."""
    first, second = np.triu_indices(len(z), 1) if len(z) <= _ALL_PAIRS else _sample(len(z))
    apart = np.abs(z[first] - z[second])
    far = apart >= max(0.3 * np.median(apart), 1e-12)
    return first[far], second[far]


def _sample(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    random = np.random.default_rng(_SEED)
    first = random.integers(0, count, _PAIRS)
    return first, (first + random.integers(1, count, _PAIRS)) % count


def _least_squares(z: NDArray[np.complex128], w: NDArray[np.complex128], used: NDArray[np.bool_]) -> PlanarFit:
    count = int(used.sum())
    z_mean, w_mean = z[used].mean(), w[used].mean()
    dz, dw = z[used] - z_mean, w[used] - w_mean
    energy = float((np.abs(dz) ** 2).sum())
    factor = complex((dz.conj() * dw).sum() / energy) if energy > 0 else 0j
    squares = float((np.abs(factor * dz - dw) ** 2).sum())
    noise_m = math.sqrt(squares / (2 * count - 4))
    error = noise_m / math.sqrt(energy) / abs(factor) if factor != 0 else math.inf
    spread_m = math.sqrt(float((np.abs(dw) ** 2).mean()))
    return PlanarFit(factor, complex(w_mean - factor * z_mean), used, noise_m, spread_m, error)


def _scale_bound(z: NDArray[np.complex128], w: NDArray[np.complex128], fit: PlanarFit) -> float:
    """Half the confidence interval of the factor's size, relative to it, with errors that depend on each other."""
    dz = z[fit.inliers] - z[fit.inliers].mean()
    residuals = (w - fit.factor * z - fit.shift)[fit.inliers]
    squares, energy, count = float((np.abs(residuals) ** 2).sum()), float((np.abs(dz) ** 2).sum()), len(dz)
    if squares <= 0:
        return 0.0
    if energy <= 0 or fit.factor == 0:
        return math.inf
    correlation = _correlation(residuals, squares)
    shared = _quadratic(np.full(count, count**-0.5, np.complex128), correlation)  # as many are worth one
    moved = _quadratic(dz, correlation)
    variance = squares / max(count - shared - moved / energy, _LEAST_FREE * count) / 2  # of a coordinate
    error = math.sqrt(variance * moved) / energy / abs(fit.factor)
    return error * float(student.ppf((1 + _BOUND) / 2, max(2 * count / shared - 4, 2)))


def _correlation(residuals: NDArray[np.complex128], squares: float) -> float:
    """How much each residual resembles the one before, in [0, 1)."""
    raw = float((residuals[1:] * residuals[:-1].conj()).real.sum()) / squares
    return min(max(raw + (1 + 4 * raw) / len(residuals), 0.0), _MOST_CORRELATED)


def _quadratic(vector: NDArray[np.complex128], correlation: float) -> float:
    """``conj(v) C v`` for the matrix C of ``correlation ** |i - j|``."""
    forth = lfilter([1.0], [1.0, -correlation], vector)
    back = lfilter([1.0], [1.0, -correlation], vector[::-1])[::-1]
    return float((vector.conj() * (forth + back - vector)).real.sum())
