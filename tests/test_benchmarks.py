"""The benchmarks say what they miss, and print what they measured."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e2e3d.runtime.gpu_devices import gpu_count

FOLDER = Path(__file__).parents[1] / "benchmarks"


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("script", ["bench.py", "presets.py"])
def test_missing_photographs_are_named(script: str, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("not touched when nothing can be measured")
    done = run(script, tmp_path / "data", tmp_path)
    assert done.returncode == 1
    assert "strecha_fountain_p11" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "kept").exists()


@pytest.mark.slow
def test_no_hostile_file_breaks_anything() -> None:
    """Every attack made by hand at a hundredth of its size, and some random changes."""
    done = run("hostile_files.py", "140", "7", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "140 files, 0 wrong" in done.stdout
    assert "| service | zip attacks | 47 |" in done.stdout


def test_the_page_of_results_is_what_the_figures_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from results_page import OTHERS, page

    assert {path.stem for path in (FOLDER / "current").iterdir()} == {"bench", *OTHERS}
    said = (FOLDER / "RESULTS.md").read_text(encoding="utf-8")
    assert said == page(), "python benchmarks/results_page.py"
    scripts = {f"benchmarks/{path.name}" for path in FOLDER.glob("*.py")}
    for name in OTHERS:
        figures = json.loads((FOLDER / "current" / f"{name}.json").read_text(encoding="utf-8"))
        datetime.date.fromisoformat(figures["date"])
        assert figures["commit"], name
        assert figures["machine"], name
        assert set(re.findall(r"benchmarks/\w+\.py", figures["command"])) <= scripts, name
        assert {len(row) for row in figures["rows"]} == {len(figures["columns"])}, name


def test_a_run_of_the_benchmark_becomes_the_current_one(tmp_path: Path) -> None:
    copy = shutil.copytree(FOLDER, tmp_path / "benchmarks", ignore=shutil.ignore_patterns("history", "__pycache__"))
    figures = json.loads((copy / "current" / "bench.json").read_text(encoding="utf-8"))
    (tmp_path / "new.json").write_text(json.dumps(figures | {"commit": "1234567"}), encoding="utf-8")
    subprocess.run([sys.executable, str(copy / "results_page.py"), str(tmp_path / "new.json")], check=True)
    assert "Commit 1234567" in (copy / "RESULTS.md").read_text(encoding="utf-8")


@pytest.mark.skipif(gpu_count() > 0, reason="a GPU is present")
def test_the_gpu_check_says_that_there_is_no_gpu(tmp_path: Path) -> None:
    done = run("gpu.py", "check", tmp_path / "views.safetensors", tmp_path / "out")
    assert done.returncode == 5
    assert "Error [no-gpu]" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_file_of_a_gpu_check_holds_what_was_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from gpu_views import GpuInputs, load, save, scaled
    from kernels import tiny_views

    descriptors = np.random.default_rng(1).integers(0, 255, (2, 40, 128)).astype(np.uint8)
    views = [replace(view, image=np.full_like(view.image, 90)) for view in tiny_views()]  # exact in a JPEG
    save(GpuInputs(views, (descriptors[0], descriptors[1]), 141.5), tmp_path / "views.safetensors")
    read = load(tmp_path / "views.safetensors")
    assert read.evaluations_a_pixel == 141.5
    assert (np.array(read.descriptors) == descriptors).all()
    for view, expected in zip(read.views, views, strict=True):
        assert (view.image == expected.image).all()
        assert (view.cam_from_world == expected.cam_from_world).all()
        assert (view.sources, view.depth_range) == (expected.sources, expected.depth_range)
    half = scaled(views[0], 48)
    assert half.image.shape == (36, 48, 3)
    assert half.intrinsics_px.tolist() == [45, 45, 24, 18]
    assert half.sparse_px.tolist() == [[24, 18]]


def test_the_table_of_presets_tells_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from presets import table

    cost = {"wall_s": 61.2, "cpu_s": 90.0, "peak_pss_bytes": 1.5e9}
    counts = {"dense_points": 1_230_000, "faces": 50_000}
    score = {"score": 0.75, "coverage": 0.85, "ncc": 0.88}
    entries = [
        {"set": "b", "preset": "low", "exit_code": 5, **cost},
        {"set": "a", "preset": "preview", "exit_code": 0, **cost, "counts": counts, "rephotography": score},
    ]
    lines = table(entries)
    assert lines[2] == "| preview | a | 61 s | 90 s | 1.5 GB | 1.23 M | 50,000 | 0.750 (0.850 x 0.880) |"
    assert "failed with exit code 5" in lines[3]
    assert {line.count("|") for line in lines} == {9}


def test_the_model_of_jobs_knows_the_limits_of_workers_driver_and_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from scale import Machines, PassModel, simulate, tiled

    def time_of(*passes: PassModel, workers: int = 2, unit_s: float = 0.0, store_bytes_s: float = 1e9) -> float:
        return simulate(passes, Machines(workers, unit_s, store_bytes_s)).makespan_s

    ten = PassModel("depth", 10, 1.0)
    assert time_of(ten) == pytest.approx(5)
    assert time_of(ten, workers=100) == pytest.approx(1)
    assert time_of(ten, PassModel("mesh", 1, 3.0)) == pytest.approx(8)  # it waits for all of them
    assert time_of(PassModel("empty", 1000, 0.0), unit_s=0.005) == pytest.approx(5)
    assert time_of(PassModel("heavy", 10, 0.1, 1e9), workers=10, store_bytes_s=5e8) == pytest.approx(20)
    assert time_of(PassModel("fusion", 3, 1.0), PassModel("merge", 1, 1.0, waits=False)) == pytest.approx(2)
    assert [one.units for one in tiled([ten, PassModel("mesh", 1, 3.0)], 1000, 500)] == [10, 2]
    assert simulate([PassModel("mesh", 1, 3.0)], Machines(10, 0, 1e9)).limit(10) == "passes of one unit"
