"""The depth and consistency stages: their settings, and that they hand views through to the maths."""

from __future__ import annotations

import numpy as np
import pytest

from e2e3d.data.ref import Ref
from e2e3d.errors import ReconstructionError, SettingsError
from e2e3d.stages import consistency, depth
from e2e3d.stages.stage import RunContext
from tests.ops.stereo.scenes import plane_depth, plane_views


@pytest.mark.parametrize(
    "settings", [{"max_size_px": 10}, {"views": 7}, {"window_radius_px": 4}, {"noise_sigma": 0.0}, {"sweeps": (1, 1)}]
)
def test_impossible_depth_settings_are_refused(settings):
    with pytest.raises(SettingsError):
        depth.DepthConfig(**settings)


@pytest.mark.parametrize(
    "settings", [{"views": 0}, {"min_views": 0}, {"max_cost": 0.0}, {"min_confidence": 1.0}, {"geometric_weight": 1.0}]
)
def test_impossible_consistency_settings_are_refused(settings):
    with pytest.raises(SettingsError):
        consistency.ConsistencyConfig(**settings)


def test_a_view_without_sources_is_an_error_that_names_it():
    with pytest.raises(ReconstructionError, match="overlaps 0 enough"):
        depth.run(depth.DepthInputs(Ref.of(plane_views()[0]), ()), depth.DepthConfig(), RunContext())


@pytest.fixture(scope="module")
def pair():
    refs = [Ref.of(view) for view in plane_views()]
    maps = []
    for i in range(3):
        others = tuple(refs[j] for j in range(3) if j != i)
        maps.append(
            Ref.of(depth.run(depth.DepthInputs(refs[i], others), depth.DepthConfig(coarsest_px=64), RunContext()))
        )
    return consistency.ConsistencyInputs(refs[0], tuple(refs[1:]), maps[0], tuple(maps[1:]))


def test_refinement_comes_nearer_to_the_plane_and_drops_nothing(pair):
    before, after = pair.depth.load(), consistency.refine(pair, consistency.ConsistencyConfig(), RunContext())
    np.testing.assert_array_equal(after.depth > 0, before.depth > 0)
    assert (after.depth > 0).all()
    errors = [np.abs(result.depth / plane_depth() - 1) for result in (before, after)]
    assert np.mean(errors[1] < 1e-3) > np.mean(errors[0] < 1e-3) + 0.05
    assert after.confidence[errors[1] < 1e-3].mean() > after.confidence[errors[1] > 0.05].mean() + 0.3


def test_both_passes_find_the_plane(pair):
    result = consistency.run(pair, consistency.ConsistencyConfig(), RunContext())
    kept = result.depth > 0
    assert kept[8:-8, 20:-20].mean() > 0.9
    assert np.median(np.abs(result.depth / plane_depth() - 1)[kept]) < 1.5e-3
    assert result.depth.dtype == result.normal_cam.dtype == result.confidence.dtype == np.float32
