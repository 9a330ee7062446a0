from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from e2e3d.runtime.gpu_devices import gpu_count
from tests.command import e2e3d

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def test_help_lists_the_exit_codes() -> None:
    found = e2e3d("run", "--help")
    assert found.returncode == 0
    text = " ".join(found.stdout.split())
    for part in ("0 done", "1 a bug", "2 a wrong setting", "3 the photographs", "4 no model", "5 the machine", "130"):
        assert part in text


def test_an_unknown_setting_names_the_nearest(photos: Path, tmp_path: Path) -> None:
    found = e2e3d("run", photos, "-o", tmp_path / "out", "--set", "depth.maxsize=768")
    assert found.returncode == 2
    assert found.stderr.startswith("Error [unknown-setting]: There is no setting depth.maxsize.")
    assert "Did you mean depth.max_size_px?" in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--quality", "best"), "unknown-quality"),
        (("--set", "depth.max_size_px"), "bad-setting"),
        (("--set", "depth.max_size_px=big"), "bad-setting"),
        (("--known-distance", "a.jpg,b.jpg"), "bad-setting"),
        (("--known-distance", "a.jpg,b.jpg,-2"), "bad-setting"),
        (("--scale", "nan"), "bad-setting"),
        (("--set", "depth.max_size_px=" + "9" * 400), "bad-setting"),
    ],
)
def test_wrong_options_end_with_2(photos: Path, tmp_path: Path, arguments: tuple[str, ...], code: str) -> None:
    found = e2e3d("run", photos, "-o", tmp_path / "out", *arguments)
    assert (found.returncode, found.stderr.split(":")[0]) == (2, f"Error [{code}]")


def test_a_wrong_environment_ends_with_2(photos: Path, tmp_path: Path) -> None:
    found = e2e3d("run", photos, "-o", tmp_path / "out", E2E3D_DEVICE="gpu")
    assert found.returncode == 2
    assert "E2E3D_DEVICE=gpu" in found.stderr


def test_no_photographs_end_with_3_and_are_logged(photos: Path, tmp_path: Path) -> None:
    found = e2e3d("run", photos, "-o", tmp_path / "out")
    assert found.returncode == 3
    assert "Error [no-photographs]" in found.stderr
    lines = [json.loads(line) for line in (tmp_path / "out" / ".e2e3d" / "run.log").read_text().splitlines()]
    assert lines[-1]["level"] == "error"
    assert "no-photographs" in lines[-1]["message"]
    assert len({line["run"] for line in lines}) == 1


@pytest.mark.skipif(gpu_count() > 0, reason="a GPU is present")
def test_an_absent_gpu_ends_with_5(photos: Path, tmp_path: Path) -> None:
    found = e2e3d("run", photos, "-o", tmp_path / "out", "--device", "cuda")
    assert found.returncode == 5
    assert "Error [no-gpu]" in found.stderr
    assert "no NVIDIA GPU" in found.stderr


def test_an_unreachable_cluster_ends_with_5(photos: Path, tmp_path: Path) -> None:
    found = e2e3d("run", photos, "-o", tmp_path / "out", "--address", "127.0.0.1:1")
    assert found.returncode == 5
    assert "Error [cluster-unreachable]" in found.stderr


def test_an_output_folder_without_permission_ends_with_5(photos: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    for parent in (photos, tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    code = (
        "import os, sys, psutil, e2e3d.runtime.logs, e2e3d.runtime.supervision, e2e3d.tasks.executor\n"
        "import e2e3d.pipeline.pipeline, e2e3d.config.presets, e2e3d.outputs.export\n"
        "import e2e3d.pipeline.progress_display, e2e3d.config.overrides\n"
        "import e2e3d.pipeline.workspace, e2e3d.api\n"
        "from e2e3d.cli import app\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        f"sys.argv = ['e2e3d', 'run', {str(photos)!r}, '-o', {str(locked / 'out')!r}]\n"
        "app()"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, timeout=60)
    assert "Error [no-permission]" in found.stderr
    assert found.returncode == 5


def test_importing_the_package_is_quick() -> None:
    code = (
        "import sys, e2e3d, e2e3d.cli; print(sorted({'ray', 'numpy', 'torch', 'open3d', 'numba'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_help_loads_no_more_than_it_needs() -> None:
    code = (
        "import sys; from e2e3d.cli import app; app(['--help'], standalone_mode=False); "
        "print(sorted({'httpx', 'pydantic', 'e2e3d.client.commands.keys'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"
