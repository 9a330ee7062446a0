"""A batch of real photographs: two sets that cannot be models, killed in the middle, and submitted again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.command import ROOT, SMALL, environment, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


SOUND = {f"statue-{number:02}": 256 + 64 * number for number in range(18)}
"""Sets of the same photographs, and the side of their texture: all else is computed once, for the first ones."""
FACES = 3000


def lines(sample: Path, folder: Path) -> list[dict[str, Any]]:
    """Eighteen sets that differ in their textures, and two that cannot be models amid them."""
    small = dict(setting.split("=") for setting in SMALL)
    (folder / "texts").mkdir()
    (folder / "texts" / "notes.txt").write_text("no photograph")
    whole = {"photos": str(sample / "images"), "quality": "preview"}
    small |= {"mesh.max_faces": str(FACES)}
    made = [
        {"name": name, **whole, "settings": small | {"texture.atlas_size_px": size}} for name, size in SOUND.items()
    ]
    broken = [{"name": "missing", "photos": "nowhere"}, {"name": "texts", "photos": "texts"}]
    return [*made[:1], *broken, *made[1:]]


def states_of(folder: Path) -> dict[Path, int]:
    """When each file below a folder was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def batch(folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "e2e3d.batch", "sets.jsonl", "--out", "models", "--at-once", "2", *more]
    whole = environment() | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def results(folder: Path) -> dict[str, dict[str, Any]]:
    text = (folder / "models" / "results.jsonl").read_text()
    return {each["name"]: each for each in map(json.loads, text.splitlines())}


@pytest.mark.operations
def test_a_batch_that_is_killed_goes_on_with_what_is_missing(sample_set: Path, tmp_path: Path) -> None:
    (tmp_path / "sets.jsonl").write_text("\n".join(map(json.dumps, lines(sample_set, tmp_path))))
    models = tmp_path / "models"
    first = batch(tmp_path)
    wait_for(lambda: len(list(models.glob("statue-*/outcome.json"))) >= 6, timeout_s=900)
    below = descendants(first.pid)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    wait_for(lambda: not any(process.is_running() and process.status() != "zombie" for process in below), 60)
    ended = [path.parent for path in models.glob("statue-*/outcome.json")]
    before = {path: time for folder in ended for path, time in states_of(folder).items()}
    results_before = {path: time for path, time in states_of(models).items() if path.suffix == ".safetensors"}
    assert results_before

    again = batch(tmp_path)
    printed, errors = again.communicate(timeout=900)
    assert again.returncode == 4, errors
    after = states_of(models)
    assert {path: after[path] for path in before | results_before} == before | results_before  # nothing is done twice
    ends = results(tmp_path)
    assert list(ends) == ["statue-00", "missing", "texts", *list(SOUND)[1:]]
    states = {name: (end["state"], end["code"]) for name, end in ends.items()}
    assert states["missing"] == ("failed", "no-such-path")
    assert states["texts"] == ("failed", "no-photographs")
    assert all(ends[name]["message"] and ends[name]["hint"] for name in ("missing", "texts"))
    for name in SOUND:
        assert states[name] == ("succeeded", "")
        assert ends[name]["registered"] == ends[name]["photographs"] == 8
        assert 0 < ends[name]["faces"] <= FACES
        assert (models / name / "model.glb").stat().st_size > 10_000
    said = [line.partition(":")[0] for line in printed.splitlines() if line.endswith("(computed before)")]
    assert set(said) - {"texts"} == {folder.name for folder in ended}
    assert printed.splitlines()[-3].startswith("20 sets: ")
    assert "2 failed." in printed

    third = batch(tmp_path)
    printed, _ = third.communicate(timeout=60)  # no Ray is started: nothing is computed
    assert third.returncode == 4
    assert printed.count("(computed before)") == 19  # what is not there is looked for each time


def test_a_stopped_batch_ends_with_all_its_processes(sample_set: Path, tmp_path: Path) -> None:
    (tmp_path / "sets.jsonl").write_text(json.dumps(lines(sample_set, tmp_path)[0]))
    running = batch(tmp_path)
    wait_for((tmp_path / "models" / "statue-00" / ".e2e3d").exists, timeout_s=200)
    below = descendants(running.pid)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Run the same command again" in errors
    wait_for(lambda: not any(process.is_running() and process.status() != "zombie" for process in below), 30)
