"""Single units of a run with stages of one's own: the same functions compute them, or it is said that they cannot."""

from __future__ import annotations

import dataclasses
import importlib
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import e2e3d
from e2e3d.errors import SettingsError
from e2e3d.inspection.result import Result
from e2e3d.inspection.used_plugins import UsedPlugins
from e2e3d.outputs.sample_set import exact_depth
from e2e3d.pipeline.plugins import choose_plugins
from e2e3d.stages.known_depth import depth_files
from tests.command import SMALL, SampleRun

FUNCTIONS = """
import numpy as np
import e2e3d

@e2e3d.plugin(version=1)
def grid(image, mask, *, step: int = 16, shift: tuple = (0.0, 0.0)):
    y, x = np.mgrid[8 : image.shape[0] : step, 8 : image.shape[1] : step]
    points = np.stack([x.ravel(), y.ravel()], 1) + np.array(shift)
    return points, image[y.ravel(), x.ravel()].astype(np.float32)

@e2e3d.plugin(version=1)
def first_ones(first, second, *, count: int = 40):
    return np.stack([np.arange(count)] * 2, 1)

@e2e3d.plugin(version=1)
def flat(view, sources, *, at: float = 2.0):
    return np.full(view.image.shape[:2], at)
"""


@pytest.fixture
def someones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of somebody's own."""
    (tmp_path / "someones_functions.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("someones_functions")
    sys.modules.pop("someones_functions", None)


def used(recorded: dict[str, Any]) -> UsedPlugins:
    return UsedPlugins(recorded)


def test_the_functions_of_a_run_are_found_with_their_settings(someones: Any) -> None:
    recorded = choose_plugins({"features": partial(someones.grid, step=32, shift=(1.0, 2.0))}).recorded()
    found = used(recorded).of("features").stages["features"]
    assert dict(found.settings) == {"step": 32, "shift": (1.0, 2.0)}  # type: ignore[attr-defined]
    assert used(recorded).of("matching").stages["matching"].name == "matching-nearest"
    assert not used(recorded).of("depth").stages


def test_what_is_not_at_hand_is_said(someones: Any, tmp_path: Path) -> None:
    def here(image, mask, *, weights: object = np.ones(3)):
        return np.zeros((0, 2)), np.zeros((0, 1))

    local = choose_plugins({"features": e2e3d.plugin(1)(here)}).recorded()
    recorded = choose_plugins({"features": someones.grid}).recorded()
    other = {"features": {**recorded["features"], "version": 2}}
    gone = {"features": {**recorded["features"], "path": "features=module_that_is_gone:grid"}}
    codes = []
    for said in (local, other, gone):
        with pytest.raises(SettingsError, match="features of this run is") as caught:
            used(said).of("features")
        assert "stages={'features': function}" in caught.value.hint
        codes.append(caught.value.code)
    assert codes == ["plugin-not-at-hand", "plugin-changed", "plugin-not-at-hand"]
    with pytest.raises(SettingsError, match="takes no part in depth"):
        used(recorded).of("depth", {"features": someones.grid})


@pytest.mark.slow
def test_units_of_such_a_run_are_computed_by_its_functions(
    sample_run: SampleRun, tmp_path: Path, someones: Any
) -> None:
    shutil.copytree(sample_run.out, tmp_path / "out")
    result = e2e3d.open(tmp_path / "out")
    recorded = choose_plugins({"features": someones.grid, "matching": someones.first_ones}).recorded()
    inside = dataclasses.replace(result.inside, plugins=UsedPlugins(recorded))
    own = Result(result.out, inside, result.exported)
    name, other = own.names[:2]
    image = result[name].image
    assert len(own.rerun("features", view=name).keypoints_px) == len(range(8, image.shape[0], 16)) * len(
        range(8, image.shape[1], 16)
    )
    assert len(own.rerun("features", view=name, step=64).keypoints_px) < 100
    np.testing.assert_array_equal(own.rerun("features", view=name, max_size_px=320, step=64).keypoints_px[0, :2], 16)
    pair = own.matches(name, other, outliers=True)
    assert {(i, i) for i in range(40)} <= set(map(tuple, pair.indices.tolist()))
    with pytest.raises(SettingsError) as caught:
        own.rerun("features", view=name, stap=64)
    assert caught.value.code == "unknown-setting"
    tried = result.rerun("depth", view=name, stages={"depth": someones.flat}, at=3.0)
    assert set(np.unique(tried.depth)) == {3.0}
    here = e2e3d.plugin(1)(lambda view, sources: np.ones(view.image.shape[:2]))
    settings = dict(setting.split("=") for setting in SMALL)
    same = {"stages": {"depth": here}, "executor": "inprocess", "until": "mapping", "only_stored": True}
    made = e2e3d.reconstruct(sample_run.photos, tmp_path / "out", "preview", settings, **same)
    assert made.inside.plugins.of("depth").stages["depth"].function is here  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_search_that_starts_from_rough_depth_needs_fewer_sweeps(sample_run: SampleRun, tmp_path: Path) -> None:
    result = e2e3d.open(sample_run.out)
    name = result.names[3]
    exact = exact_depth(sample_run.sample, result.view(name))
    rough_mm = 1000 * exact[2::4, 2::4]
    noise = np.random.default_rng(0).normal(0, 0.01, rough_mm.shape)
    np.save(tmp_path / f"{Path(name).stem}.npy", rough_mm * (1 + noise))

    def right(**changes: Any) -> float:
        """The share of pixels within 1 % of the truth."""
        found = result.rerun("depth", view=name, sweeps=(1, 1, 1), **changes).depth
        ratio = found[exact > 0] / exact[exact > 0]
        return float(np.mean(np.abs(ratio / np.median(ratio[ratio > 0]) - 1) < 0.01))

    assert right(stages={"depth_start": depth_files(tmp_path)}) > right() + 0.08
