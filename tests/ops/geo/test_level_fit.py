"""Place, heading and scale from horizontal positions: how far off the scale may be, as stated and as it is."""

from collections.abc import Callable

import numpy as np
import pytest

from e2e3d.ops.geo.level_fit import fit_planar
from tests.ops.flights import grid

Errors = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def independent(random: np.random.Generator, centres: np.ndarray) -> np.ndarray:
    return random.normal(0, 8, centres.shape)


def drifting(random: np.random.Generator, centres: np.ndarray) -> np.ndarray:
    return np.cumsum(random.normal(0, 2, centres.shape), axis=0)


def in_steps(random: np.random.Generator, centres: np.ndarray) -> np.ndarray:
    return np.round((centres + random.uniform(0, 25, 2)) / 25) * 25 - centres


def one_photograph_late(random: np.random.Generator, centres: np.ndarray) -> np.ndarray:
    return np.vstack([centres[:1], centres[:-1]]) - centres


@pytest.mark.parametrize("errors", [independent, drifting, in_steps, one_photograph_late])
@pytest.mark.parametrize(("rows", "columns"), [(3, 6), (5, 15)])
def test_the_scale_stays_within_its_bound(errors: Errors, rows: int, columns: int) -> None:
    wrong, bounds = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        centres = grid(random, rows, columns)[0][:, :2]
        fit = fit_planar(centres, centres + errors(random, centres))
        assert fit is not None
        wrong.append(abs(abs(fit.factor) - 1) / abs(fit.factor))
        bounds.append(fit.scale_bound)
    assert np.mean(np.array(wrong) <= bounds) >= 0.9
    assert np.median(bounds) < 10 * np.median(wrong)


def test_exact_positions_have_an_exact_scale() -> None:
    centres = grid(np.random.default_rng(0), 3, 6)[0][:, :2]
    fit = fit_planar(centres, 2.5 * centres @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 7.0)
    assert fit is not None
    assert abs(fit.factor) == pytest.approx(2.5)
    assert fit.scale_bound < 1e-9
