"""What ``import e2e3d`` offers: every name at once, and the arguments that the documents promise."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import e2e3d
from e2e3d.errors import CancelledError, SettingsError
from e2e3d.inspection.plot_accessor import Plots
from tests.command import environment
from tests.pictures import encode, textured


def test_completion_shows_every_name_before_any_is_imported() -> None:
    code = "import sys, e2e3d; print(*dir(e2e3d)); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    names, loaded = done.stdout.splitlines()
    assert names.split() == sorted(e2e3d.__all__)
    assert loaded == "False"
    assert all(getattr(e2e3d, name).__doc__ for name in e2e3d.__all__)


def test_a_configuration_in_place_of_a_quality_is_told(tmp_path: Path) -> None:
    given: Any = e2e3d.Config.preset("low")
    with pytest.raises(SettingsError, match="not a Config") as raised:
        e2e3d.reconstruct(tmp_path, tmp_path / "out", given)
    assert "settings=" in raised.value.hint
    assert not (tmp_path / "out").exists()


def test_functions_take_what_researchers_ask_for() -> None:
    made = inspect.signature(e2e3d.reconstruct).parameters
    asked = "scale known_distance keep_depth left_out masks poses stages executor until only_stored export progress"
    assert set(asked.split()) <= set(made)
    assert made["progress"].default == "auto"
    judged = inspect.signature(e2e3d.evaluate).parameters
    assert {"result", "cameras", "photos", "surface", "held_out"} <= set(judged)
    kinds = "keypoints matches match_graph cameras depth normals confidence cloud mesh atlas"
    assert set(kinds.split()) <= set(dir(Plots))
    of_result = "photo features matches view rerun costs match_graph size prune plot export"
    assert set(of_result.split()) <= set(dir(e2e3d.Result))


@pytest.mark.parametrize(
    "wrong", [{"device": "gpu"}, {"executor": "local"}, {"until": "map"}, {"progress": "bar"}, {"address": 8265}]
)
def test_a_wrong_argument_is_named_and_leaves_no_folder(wrong: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(e2e3d.E2E3DError, match=next(iter(map(str, wrong.values())))) as caught:
        e2e3d.reconstruct(tmp_path / "photos", tmp_path / "out", **wrong)  # type: ignore[arg-type]
    assert (caught.value.code, list(tmp_path.iterdir())) == ("bad-setting", [])


def test_an_interrupted_run_raises_an_error_of_this_package(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(3):
        (photos / f"{seed}.jpg").write_bytes(encode(textured(60, 80, seed)))

    def interrupt(report: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(e2e3d.E2E3DError) as caught:
        e2e3d.reconstruct(photos, tmp_path / "out", executor="inprocess", progress=interrupt)
    assert isinstance(caught.value, CancelledError)
    assert isinstance(caught.value.__cause__, KeyboardInterrupt)
