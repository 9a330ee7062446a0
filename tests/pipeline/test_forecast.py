"""A forecast before the first job, and how the times of earlier jobs sharpen it."""

from __future__ import annotations

import pytest

from e2e3d.config.presets import PRESETS
from e2e3d.errors import SettingsError
from e2e3d.pipeline.forecast import StageTime, forecast, stage_seconds, workload


def timed(photos: int, quality: str, factor: float) -> list[StageTime]:
    """Stage times of a job on a machine that takes `factor` times the expected time."""
    expected = stage_seconds(photos, 12.0, quality)
    return [StageTime(stage, photos, 12.0, quality, factor * seconds) for stage, seconds in expected.items()]


def test_the_first_forecast_is_a_range() -> None:
    first = forecast(20, 12.0, "medium", [])
    assert 30 < first.seconds_low < first.seconds_high < 3600
    assert 1e9 < first.memory_bytes < 16e9
    assert 50e6 < first.disk_bytes < 10e9


def test_more_work_costs_more() -> None:
    costs = [forecast(20, 24.0, quality, []) for quality in PRESETS]
    assert [cost.seconds_high for cost in costs] == sorted(cost.seconds_high for cost in costs)
    assert [cost.disk_bytes for cost in costs] == sorted(cost.disk_bytes for cost in costs)
    assert forecast(40, 24.0, "low", []).seconds_high > 1.9 * forecast(20, 24.0, "low", []).seconds_high - 30


def test_earlier_jobs_move_and_narrow_it() -> None:
    first = forecast(30, 12.0, "high", [])
    slow = forecast(30, 12.0, "high", timed(10, "medium", 3.0))  # another size and preset: only the pace carries over
    assert slow.seconds_low > first.seconds_low
    assert slow.seconds_high / slow.seconds_low < 0.6 * first.seconds_high / first.seconds_low
    truth = sum(time.seconds for time in timed(30, "high", 3.0))
    assert slow.seconds_low < truth < slow.seconds_high


def test_a_stage_that_was_never_timed_follows_the_others() -> None:
    times = [time for time in timed(10, "medium", 3.0) if time.stage != "depth"]
    expected = sum(time.seconds for time in timed(10, "medium", 3.0))
    result = forecast(10, 12.0, "medium", times)
    assert result.seconds_low < expected < result.seconds_high


def test_one_strange_job_among_many_does_not_matter() -> None:
    usual = [time for _ in range(6) for time in timed(10, "medium", 1.0)]
    strange = usual[:36] + timed(10, "medium", 20.0) + usual[36:]
    assert forecast(10, 12.0, "medium", strange) == forecast(10, 12.0, "medium", usual)


def test_times_of_unknown_stages_and_presets_are_ignored() -> None:
    times = [StageTime("polish", 10, 12.0, "medium", 900.0), StageTime("depth", 10, 12.0, "brilliant", 900.0)]
    assert forecast(10, 12.0, "medium", times) == forecast(10, 12.0, "medium", [])


def test_cores_shorten_what_is_parallel() -> None:
    few, many = (sum(stage_seconds(50, 12.0, "high", cores).values()) for cores in (2, 16))
    assert few / 8 < many < few / 3


def test_large_sets_are_not_matched_exhaustively() -> None:
    assert workload(1000, 12.0, "medium").pairs < 1000 * 30
    assert workload(100, 12.0, "medium").pairs == pytest.approx(4950)


@pytest.mark.parametrize(("photos", "megapixels", "quality"), [(0, 12.0, "low"), (3, 0.0, "low"), (3, 12.0, "best")])
def test_nonsense_is_refused(photos: int, megapixels: float, quality: str) -> None:
    with pytest.raises(SettingsError):
        forecast(photos, megapixels, quality, [])


def test_depth_at_smaller_sizes_is_part_of_it() -> None:
    expected = stage_seconds(20, 6.0, "ultra")
    assert {"depth, 1500 px", "consistency, 750 px"} <= set(expected)
    assert expected["depth, 1500 px"] == pytest.approx(expected["depth"] / 4, rel=0.01)
    assert not any("px" in stage for stage in stage_seconds(20, 6.0, "medium"))
