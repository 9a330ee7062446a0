"""What stages declare to need, against what they were measured to need.

`measured_memory.json` holds peaks of finished runs as `python benchmarks/rates.py --json MEGAPIXELS OUT` prints them.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e3d import stages
from e2e3d.config.mesh import MOST_POINTS
from e2e3d.config.overrides import apply_overrides
from e2e3d.config.presets import PRESETS
from e2e3d.config.workload import Cost
from e2e3d.ops.mesh import meshing
from e2e3d.outputs.manifest import read_manifest
from e2e3d.pipeline.forecast import stage_costs, workload
from e2e3d.stages.stage import Stage
from tests.command import SMALL, SampleRun

RUNS = json.loads((Path(__file__).parent / "measured_memory.json").read_text())
STAGES = ("features", "matching", "mapping", "undistort", "depth", "refinement 1", "consistency")
STAGES += ("fusion", "merge", "mesh", "texture", "export")
FACTOR = 1.5


def declared(run: dict[str, Any]) -> dict[str, Cost]:
    """By pass, for what the run really had: its photographs, points and faces."""
    config = apply_overrides(PRESETS[run["quality"]], run["changes"])
    work = workload(config, run["photos"], run["photo_mp"])
    return stage_costs(config, replace(work, points=run["points"], faces=run["faces"]))


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run["what"])
def test_declared_memory_is_within_a_factor_of_what_was_measured(run: dict[str, Any]) -> None:
    costs = declared(run)
    ratios = {stage: costs[stage].memory_bytes / peak for stage, peak in run["peak_memory_bytes"].items()}
    wrong = {stage: round(ratio, 2) for stage, ratio in ratios.items() if not 1 / FACTOR < ratio < FACTOR}
    assert ratios
    assert not wrong


def test_three_sizes_were_measured_of_every_stage() -> None:
    for stage in STAGES:
        assert len([run for run in RUNS if stage in run["peak_memory_bytes"]]) >= 3, stage


def test_the_mesh_declares_as_many_points_as_it_takes() -> None:
    assert MOST_POINTS == meshing._MOST_POINTS


def all_stages() -> Iterator[Stage[Any, Any, Any]]:
    for module in pkgutil.iter_modules(stages.__path__, f"{stages.__name__}."):
        yield from (value for value in vars(importlib.import_module(module.name)).values() if isinstance(value, Stage))


def test_every_stage_says_what_it_costs_beside_its_settings() -> None:
    found = list(all_stages())
    assert len(found) > 15
    for stage in found:
        assert stage.cost.__module__.startswith("e2e3d.config."), stage.name


@pytest.mark.slow
def test_a_small_job_needs_what_it_declares(sample_run: SampleRun) -> None:
    manifest = read_manifest(sample_run.out)
    peaks = {stage.stage: stage.peak_memory_bytes for stage in manifest.stages if stage.stage in STAGES}
    counts = manifest.counts
    run = {"quality": "preview", "changes": dict(setting.split("=") for setting in SMALL), "photos": counts.photographs}
    run |= {"photo_mp": 640 * 480 / 1e6, "points": counts.dense_points, "faces": counts.faces}
    costs = declared(run)
    assert [stage.stage for stage in manifest.stages if stage.stage not in costs] == []
    for stage, peak in peaks.items():
        assert 1 / FACTOR < costs[stage].memory_bytes / peak < FACTOR, (stage, costs[stage].memory_bytes, peak)
