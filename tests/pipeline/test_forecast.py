"""A forecast before the first job, and how the times of earlier jobs sharpen it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from e2e3d.config.overrides import apply_overrides
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS
from e2e3d.errors import SettingsError
from e2e3d.pipeline.forecast import StageTime, forecast, stage_costs, stage_seconds, workload

PREVIEW, LOW, MEDIUM, HIGH, ULTRA = PRESETS.values()


def timed(photos: int, quality: str, factor: float) -> list[StageTime]:
    """Stage times of a job on a machine that takes `factor` times the expected time."""
    expected = stage_seconds(PRESETS[quality], photos, 12.0)
    return [StageTime(stage, photos, 12.0, quality, factor * seconds) for stage, seconds in expected.items()]


def changed(config: PipelineConfig, **changes: object) -> PipelineConfig:
    return apply_overrides(config, {name.replace("__", "."): value for name, value in changes.items()})


def test_the_first_forecast_is_a_range() -> None:
    first = forecast(MEDIUM, 20, 12.0, [])
    assert 30 < first.seconds_low < first.seconds_high < 3600
    assert 1e9 < first.memory_bytes < 16e9
    assert 50e6 < first.disk_bytes < 10e9


def test_more_work_costs_more() -> None:
    costs = [forecast(config, 20, 24.0, []) for config in PRESETS.values()]
    assert [cost.seconds_high for cost in costs] == sorted(cost.seconds_high for cost in costs)
    assert [cost.disk_bytes for cost in costs] == sorted(cost.disk_bytes for cost in costs)
    memory = [cost.memory_bytes for cost in costs[1:]]  # preview doubles small photographs for features, low does not
    assert memory == sorted(memory)
    assert forecast(LOW, 40, 24.0, []).seconds_high > 1.9 * forecast(LOW, 20, 24.0, []).seconds_high - 30


def test_settings_count_and_not_the_preset_that_they_change() -> None:
    preview, large = forecast(PREVIEW, 20, 24.0, []), forecast(changed(PREVIEW, depth__max_size_px=3200), 20, 24.0, [])
    assert large.seconds_low > 5 * preview.seconds_low
    assert large.memory_bytes > 1.5 * preview.memory_bytes
    assert large.disk_bytes > 5 * preview.disk_bytes


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        ({"features__max_size_px": 6000}, "features"),
        ({"features__max_features": 20_000}, "matching"),
        ({"pairs__exhaustive_up_to": 200}, "matching"),
        ({"depth__sweeps": (10, 6, 4)}, "depth"),
        ({"consistency__sweeps": 3}, "refinement 1"),
        ({"mesh__photo_steps": 3}, "mesh"),
        ({"mesh__max_faces": 3_000_000}, "mesh"),
        ({"texture__max_pages": 8}, "texture"),
    ],
)
def test_a_setting_changes_what_its_stage_takes(change: dict[str, object], stage: str) -> None:
    before, after = (
        stage_costs(config, workload(config, 100, 24.0))[stage] for config in (MEDIUM, changed(MEDIUM, **change))
    )
    assert (after.cpu_s, after.memory_bytes) != (before.cpu_s, before.memory_bytes)


def test_earlier_jobs_move_and_narrow_it() -> None:
    first = forecast(HIGH, 30, 12.0, [])
    slow = forecast(HIGH, 30, 12.0, timed(10, "medium", 3.0))  # another size and preset: only the pace carries over
    assert slow.seconds_low > first.seconds_low
    assert slow.seconds_high / slow.seconds_low < 0.6 * first.seconds_high / first.seconds_low
    truth = sum(time.seconds for time in timed(30, "high", 3.0))
    assert slow.seconds_low < truth < slow.seconds_high


def test_a_stage_that_was_never_timed_follows_the_others() -> None:
    times = [time for time in timed(10, "medium", 3.0) if time.stage != "depth"]
    expected = sum(time.seconds for time in timed(10, "medium", 3.0))
    result = forecast(MEDIUM, 10, 12.0, times)
    assert result.seconds_low < expected < result.seconds_high


def test_one_strange_job_among_many_does_not_matter() -> None:
    usual = [time for _ in range(6) for time in timed(10, "medium", 1.0)]
    strange = usual[:36] + timed(10, "medium", 20.0) + usual[36:]
    assert forecast(MEDIUM, 10, 12.0, strange) == forecast(MEDIUM, 10, 12.0, usual)


def test_times_of_unknown_stages_and_presets_are_ignored() -> None:
    times = [StageTime("polish", 10, 12.0, "medium", 900.0), StageTime("depth", 10, 12.0, "brilliant", 900.0)]
    assert forecast(MEDIUM, 10, 12.0, times) == forecast(MEDIUM, 10, 12.0, [])


def test_cores_shorten_what_is_parallel() -> None:
    few, many = (sum(stage_seconds(HIGH, 50, 12.0, cores).values()) for cores in (2, 16))
    assert few / 8 < many < few / 3


def test_large_sets_are_not_matched_exhaustively() -> None:
    assert workload(MEDIUM, 1000, 12.0).pairs < 1000 * 30
    assert workload(MEDIUM, 30, 12.0).pairs == pytest.approx(435)
    assert workload(MEDIUM, 60, 12.0).pairs < 0.6 * 1770


@pytest.mark.parametrize(("photos", "megapixels"), [(0, 12.0), (3, 0.0)])
def test_nonsense_is_refused(photos: int, megapixels: float) -> None:
    with pytest.raises(SettingsError):
        forecast(LOW, photos, megapixels, [])


def test_depth_at_smaller_sizes_is_part_of_it() -> None:
    expected = stage_seconds(ULTRA, 20, 6.0)
    assert {"depth, 1500 px", "consistency, 750 px"} <= set(expected)
    assert expected["depth, 1500 px"] == pytest.approx(expected["depth"] / 4, rel=0.01)
    assert not any("px" in stage for stage in stage_seconds(MEDIUM, 20, 6.0))


def test_it_loads_no_array_library() -> None:
    heavy = {"numpy", "numba", "torch", "ray", "scipy", "cv2", "open3d", "pycolmap", "sqlalchemy", "pydantic"}
    code = f"import sys, e2e3d.pipeline.forecast; print({heavy!r} & set(sys.modules) or '')"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
