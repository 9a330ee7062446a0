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


def lines(sample: Path, folder: Path) -> list[dict[str, Any]]:
    small = dict(setting.split("=") for setting in SMALL)
    (folder / "texts").mkdir()
    (folder / "texts" / "notes.txt").write_text("no photograph")
    whole = {"photos": str(sample / "images"), "quality": "preview"}
    return [
        {"name": "statue", **whole, "settings": small},
        {"name": "missing", "photos": "nowhere"},
        {"name": "texts", "photos": "texts"},
        {"name": "coarse", **whole, "settings": small | {"mesh.max_faces": 5000}},
        {"name": "coarser", **whole, "settings": small | {"mesh.max_faces": 2000}},
    ]


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
    first = batch(tmp_path)
    wait_for((tmp_path / "models" / "statue" / "outcome.json").exists, timeout_s=500)
    below = descendants(first.pid)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    wait_for(lambda: not any(process.is_running() and process.status() != "zombie" for process in below), 60)

    again = batch(tmp_path)
    printed, errors = again.communicate(timeout=500)
    assert again.returncode == 4, errors
    ends = results(tmp_path)
    assert list(ends) == ["statue", "missing", "texts", "coarse", "coarser"]
    states = {name: (end["state"], end["code"]) for name, end in ends.items()}
    assert states["missing"] == ("failed", "no-such-path")
    assert states["texts"] == ("failed", "no-photographs")
    for name, faces in (("statue", 20_000), ("coarse", 5000), ("coarser", 2000)):
        assert states[name] == ("succeeded", "")
        assert ends[name]["registered"] == ends[name]["photographs"] == 8
        assert 0 < ends[name]["faces"] <= faces
        assert (tmp_path / "models" / name / "model.glb").stat().st_size > 10_000
    assert "statue: " in printed
    assert "(computed before)" in next(line for line in printed.splitlines() if line.startswith("statue: "))
    assert printed.splitlines()[-3].startswith("5 sets: ")
    assert "2 failed." in printed

    third = batch(tmp_path)
    printed, _ = third.communicate(timeout=60)  # no Ray is started: nothing is computed
    assert third.returncode == 4
    assert printed.count("(computed before)") == 4  # what is not there is looked for each time


def test_a_stopped_batch_ends_with_all_its_processes(sample_set: Path, tmp_path: Path) -> None:
    (tmp_path / "sets.jsonl").write_text(json.dumps(lines(sample_set, tmp_path)[0]))
    running = batch(tmp_path)
    wait_for((tmp_path / "models" / "statue" / ".e2e3d").exists, timeout_s=200)
    below = descendants(running.pid)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Run the same command again" in errors
    wait_for(lambda: not any(process.is_running() and process.status() != "zombie" for process in below), 30)
