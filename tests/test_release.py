"""A release holds all of the package, and runs where nothing else of the checkout is."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.command import ROOT

FORGOTTEN = "e2e3d/outputs/report/report.html.j2"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import release_check

    return release_check


def test_a_file_of_the_package_that_is_left_out_is_named(check: ModuleType, tmp_path: Path) -> None:
    held = check.package_files() - {FORGOTTEN}
    with zipfile.ZipFile(tmp_path / "wheel.whl", "w") as wheel:
        for name in held:
            wheel.writestr(name, "")
    with tarfile.open(tmp_path / "sdist.tar.gz", "w:gz") as sdist:
        for name in held | {"pyproject.toml", "README.md"}:
            sdist.addfile(tarfile.TarInfo(f"e2e3d-0.1.0/{name}"), io.BytesIO())
    assert check.left_out_of_wheel(tmp_path / "wheel.whl") == [f"not in the wheel: {FORGOTTEN}"]
    missing = ["not in the sdist: LICENSE", f"not in the sdist: {FORGOTTEN}"]
    assert check.left_out_of_sdist(tmp_path / "sdist.tar.gz") == missing


def test_metadata_that_differ_from_the_project_are_named(check: ModuleType, tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    said = (
        "Metadata-Version: 2.4\nName: e2e3d\nVersion: 0.0.9\nLicense-Expression: Apache-2.0\n"
        "Requires-Python: >=3.11\nDescription-Content-Type: text/markdown\n\n"
    )
    with zipfile.ZipFile(tmp_path / "wheel.whl", "w") as wheel:
        wheel.writestr("e2e3d-0.0.9.dist-info/METADATA", said)
    faults = [f"version is 0.0.9, not {project['version']}", "the metadata hold no README"]
    assert check.faults_of_metadata(tmp_path / "wheel.whl", project) == faults


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_release_installs_and_runs(tmp_path: Path) -> None:
    """With the libraries of this environment; `make release-check` installs them all, which takes many minutes."""
    script = ROOT / "scripts" / "release_check.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "--borrow"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("can be released.")
    assert {path.suffix for path in tmp_path.iterdir()} == {".gz", ".whl"}
