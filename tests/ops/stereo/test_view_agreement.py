"""What the confidence of a depth says, and that weak texture alone does not make a depth doubtful."""

from __future__ import annotations

import numpy as np

from e2e3d.ops.stereo.view_agreement import Agreement, combined_confidence


def confidence(count: int, support: float, cost: float) -> float:
    arrays = np.uint8([count]), np.float32([support]), np.float32([cost])
    return float(combined_confidence(Agreement(*arrays))[0])


def test_many_agreeing_views_outweigh_a_cost_that_noise_explains() -> None:
    assert confidence(6, 5, 0.8) > 0.9
    assert confidence(1, 0.9, 0.8) < 0.35
    assert confidence(1, 0.9, 0.1) > 0.5


def test_confidence_grows_with_support_and_falls_with_cost() -> None:
    for count in (1, 3, 6):
        support = np.linspace(0.2, 1, 9) * count
        assert (np.diff([confidence(count, s, 0.3) for s in support]) > 0).all()
    assert (np.diff([confidence(2, 1.5, cost) for cost in np.linspace(0, 1, 9)]) < 0).all()


def test_no_agreement_is_no_confidence() -> None:
    assert confidence(0, 0, 2) == 0
