"""Options of a run and their JSON: what jobs and manifests keep is what was given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e3d.config.run_options import SCALE, CalibrationText, RunOptions, options_from_json
from e2e3d.errors import SettingsError
from e2e3d.service.jobs.wire import JobOptions

METRES = st.floats(SCALE.low, SCALE.high)
DISTANCES = st.tuples(st.text(), st.text(), METRES)
OPTIONS = st.builds(
    RunOptions,
    intrinsics=st.none() | st.builds(CalibrationText, st.text()),
    masks=st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).map(Path),
    scale=st.none() | METRES,
    known_distance=st.none() | DISTANCES,
    keep_depth=st.booleans(),
    left_out=st.none() | st.integers(2) | st.lists(st.text(), min_size=1).map(tuple),
)


@given(OPTIONS)
def test_options_return_from_json(options: RunOptions) -> None:
    assert options_from_json(json.loads(json.dumps(options.to_json()))) == options


@given(
    st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=2000),
    st.none() | METRES,
)
def test_what_a_request_says_returns_from_the_job(intrinsics: str | None, scale: float | None) -> None:
    asked = JobOptions(intrinsics=intrinsics, scale=scale)
    told = asked.run_options()
    again = JobOptions.of(options_from_json(json.loads(json.dumps(told.to_json()))))
    assert again == asked
    assert again.run_options() == told


def test_jobs_of_earlier_releases_are_read() -> None:
    stored = {"intrinsics": "1 0 1\n0 1 1\n0 0 1", "scale": 2, "known_distance": ["a.jpg", "b.jpg", 3]}
    options = options_from_json(stored)
    assert options == RunOptions(CalibrationText(stored["intrinsics"]), None, 2.0, ("a.jpg", "b.jpg", 3.0))
    assert options.to_json() == stored
    assert RunOptions().to_json() == {}


@pytest.mark.parametrize(
    "document",
    [{"speed": 1}, {"scale": "wide"}, {"known_distance": ["a.jpg", 2.0]}, {"left_out": None}, {"scale": 0.0}],
)
def test_what_is_no_option_is_said(document: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        options_from_json(document)
    assert caught.value.code == "bad-setting"


def test_manifests_name_files_without_their_folders() -> None:
    options = RunOptions(CalibrationText("1", "/home/someone/K.txt"), Path("/home/someone/masks"), left_out=("a.jpg",))
    assert options.recorded() == {
        "intrinsics": "K.txt",
        "masks": "masks",
        "scale": None,
        "known_distance": None,
        "left_out": ["a.jpg"],
    }
