from __future__ import annotations

import io
from pathlib import Path

import pytest

from e2e3d.data.stats import StageStats, UnitStats
from e2e3d.pipeline.history import History, profile_of
from e2e3d.pipeline.progress import LAST_PASS, ProgressModel, ProgressReport
from e2e3d.pipeline.progress_display import LineDisplay, duration, open_display

UNIT = UnitStats(1.0, 1.0, 1 << 20, "host")


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def run_stage(model: ProgressModel, clock: Clock, label: str, units: int, seconds: float) -> None:
    model.stage_started(label, units)
    for _ in range(units):
        clock.now_s += seconds
        model.unit_finished(label, UNIT, reused=False)
    model.stage_finished(StageStats(label, units, 0, units * seconds, float(units), 1 << 20))


def test_the_estimate_follows_measured_unit_times() -> None:
    reports: list[ProgressReport] = []
    clock = Clock()
    model = ProgressModel(reports.append, History(), clock)
    model.stage_started("depth", 10)
    assert reports[-1].eta_s is None
    for _ in range(4):
        clock.now_s += 2.0
        model.unit_finished("depth", UNIT, reused=False)
    report = reports[-1]
    assert (report.done, report.total, report.elapsed_s) == (4, 10, 8.0)
    assert report.eta_s is not None
    low, high = report.eta_s
    assert low < 12.0 < high
    assert high - low < 4.0


def test_reused_units_do_not_make_the_estimate_rosy() -> None:
    reports: list[ProgressReport] = []
    clock = Clock()
    model = ProgressModel(reports.append, History(), clock)
    model.stage_started("depth", 10)
    for _ in range(5):
        model.unit_finished("depth", UNIT, reused=True)
    clock.now_s += 4.0
    model.unit_finished("depth", UNIT, reused=False)
    assert reports[-1].reused == 5
    assert reports[-1].eta_s is not None
    assert reports[-1].eta_s[0] < 16.0 < reports[-1].eta_s[1]


def test_earlier_runs_tell_what_is_ahead(tmp_path: Path) -> None:
    clock = Clock()
    first = History(tmp_path / "times.json", "medium")
    model = ProgressModel(lambda report: None, first, clock)
    run_stage(model, clock, "features", 10, 1.0)
    run_stage(model, clock, "mesh", 1, 30.0)
    first.save()
    assert History(tmp_path / "times.json", "high").expected() == {}

    reports: list[ProgressReport] = []
    model = ProgressModel(reports.append, History(tmp_path / "times.json", "medium"), clock)
    model.stage_started("features", 20)
    assert reports[-1].eta_s is not None
    assert reports[-1].eta_s[0] < 20.0 + 60.0 < reports[-1].eta_s[1]
    assert reports[-1].fraction == pytest.approx(0.0, abs=0.01)
    run_stage(model, clock, "features", 20, 2.0)  # this run is twice as slow: so will be the mesh
    assert reports[-1].eta_s is not None
    assert reports[-1].eta_s[0] < 120.0 < reports[-1].eta_s[1]
    run_stage(model, clock, "mesh", 1, 120.0)
    assert reports[-1].fraction == pytest.approx(1.0, abs=0.01)


def test_the_first_run_knows_what_is_ahead_from_defaults() -> None:
    def defaults(photos: int) -> dict[str, float]:
        return {"ingest": 0.5 * photos, "features": 1.0 * photos, "mesh": 3.0 * photos}

    reports: list[ProgressReport] = []
    clock = Clock()
    model = ProgressModel(reports.append, History(defaults=defaults), clock)
    model.stage_started("ingest", 5)  # four photographs a unit
    assert reports[-1].eta_s is not None
    assert reports[-1].eta_s[0] < 90.0 < reports[-1].eta_s[1]
    for _ in range(5):  # five times as slow as the defaults say
        clock.now_s += 10.0
        model.unit_finished("ingest", UNIT, reused=False)
    model.stage_finished(StageStats("ingest", 5, 0, 50.0, 5.0, 1 << 20))
    run_stage(model, clock, "features", 20, 5.0)
    assert reports[-1].eta_s is not None
    assert reports[-1].eta_s[0] < 300.0 < reports[-1].eta_s[1]
    assert reports[-1].fraction == pytest.approx(150 / 450, abs=0.1)


def test_a_run_that_finds_everything_stored_promises_nothing_and_ends_at_one() -> None:
    reports: list[ProgressReport] = []
    clock = Clock()
    model = ProgressModel(reports.append, History(defaults=lambda photos: {"depth": 300.0, "other": 9.0}), clock)
    model.stage_started("ingest", 2)
    for _ in range(2):
        clock.now_s += 0.1
        model.unit_finished("ingest", UNIT, reused=True)
    model.stage_finished(StageStats("ingest", 2, 2, 0.2, 0.0, 1 << 20))
    assert [(report.fraction, report.eta_s) for report in reports[1:]] == [(None, None)] * 3
    run_stage(model, clock, LAST_PASS, 1, 2.0)
    assert reports[-2].fraction is not None
    assert reports[-2].fraction < 1
    assert (reports[-1].fraction, reports[-1].eta_s) == (1.0, (0.0, 0.0))


def test_blocks_of_pairs_are_not_photographs() -> None:
    history = History(defaults=lambda photos: {"depth": float(photos)})
    history.grow("features", 10)
    history.grow("matching", 400)
    low, high = history.expected()["depth"]
    assert low < 10.0 < high < 40.0


@pytest.mark.parametrize("content", ["", "[]", '{"medium": 3}', '{"medium": {"mesh": "x"}}'])
def test_a_damaged_history_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "times.json").write_text(content)
    assert History(tmp_path / "times.json", "medium").expected() == {}


def test_lines_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    display = open_display(stream)
    assert isinstance(display, LineDisplay)
    clock = Clock()
    run_stage(ProgressModel(display, History(), clock), clock, "depth", 3, 2.0)
    assert stream.getvalue().split() == ["depth", "3/3", "6", "s", "3.0", "CPU", "s", "1", "MB"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_run_with_other_settings_says_nothing_of_the_plain_preset(tmp_path: Path) -> None:
    plain, changed = profile_of("preview", {}), profile_of("preview", {"depth.max_size_px": 3200})
    slow = History(tmp_path / "times.json", changed)
    slow.add("depth", 1000.0)
    slow.save()
    assert "depth" in History(tmp_path / "times.json", changed).expected()
    assert "depth" not in History(tmp_path / "times.json", plain).expected()
    assert plain == "preview"  # as earlier releases called it
    assert profile_of("low", {"b": 1, "a": 2}) == profile_of("low", {"a": 2, "b": 1})
