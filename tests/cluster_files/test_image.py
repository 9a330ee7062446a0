"""What the image is made of: a clean Containerfile, versions that agree, files that are there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from cluster.images.lock import runs_in_image
from tests.command import ROOT
from tests.servers import program

FOLDER = ROOT / "cluster" / "images"
CONTAINERFILE = (FOLDER / "Containerfile").read_text("utf-8")


def versions(path: Path) -> dict[str, str]:
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_containerfile_is_clean() -> None:
    hadolint = program("hadolint", Path(sys.executable).parent)
    done = subprocess.run([hadolint, str(FOLDER / "Containerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_ends_without_root_and_says_whether_it_is_well() -> None:
    for stage in re.split(r"^FROM ", CONTAINERFILE, flags=re.MULTILINE)[1:]:
        if re.match(r"\S+ AS (cpu|cuda|collector|airflow)\n", stage):
            assert re.findall(r"^USER (\S+)$", stage, re.MULTILINE)[-1] == "10001:10001"
    assert "HEALTHCHECK" in CONTAINERFILE
    healthy = subprocess.run(
        [sys.executable, str(FOLDER / "healthy.py")],
        env={"E2E3D_PORT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert healthy.returncode == 1  # nothing listens here
    assert "Traceback" not in healthy.stderr


def test_versions_are_fixed_and_agree() -> None:
    locked, constraints = versions(FOLDER / "lock.txt"), versions(ROOT / "constraints.txt")
    assert {name: version for name, version in constraints.items() if locked.get(name) != version} == {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for line in [*project["dependencies"], *project["optional-dependencies"]["learned"]]:
        needed = Requirement(line)
        name = re.sub(r"[-_.]+", "-", needed.name).lower()
        assert name in locked, f"run lock.py: {name} is missing"
        assert needed.specifier.contains(locked[name]), f"{name} {locked[name]}"


def test_the_python_of_the_image_can_install_every_version() -> None:
    installed = {
        each.name.lower().replace("_", "-").replace(".", "-"): each.version for each in metadata.distributions()
    }
    same = [name for name, version in versions(FOLDER / "lock.txt").items() if installed.get(name) == version]
    assert len(same) > 50
    assert [name for name in same if not runs_in_image(name)] == []


def test_what_is_copied_is_sent_to_the_builder() -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from|\. \.)(.+) \S+$", CONTAINERFILE, re.MULTILINE)
        for word in line.split()
    ]
    assert copied
    for path in copied:
        assert (ROOT / path).exists(), path
        assert any(path == each or path.startswith(f"{each}/") for each in sent), path
    for path in sent:
        assert (ROOT / path).exists(), path
    for imported in re.findall(r"from (scripts\.\w+) import", (ROOT / "scripts/build_web.py").read_text("utf-8")):
        assert f"{imported.replace('.', '/')}.py" in sent


def test_scripts_are_posix_shell() -> None:
    cluster = ROOT / "cluster"
    others = [*(cluster / "nginx").glob("*.sh"), cluster / "airflow" / "start.sh", cluster / "secrets.sh"]
    scripts = [*FOLDER.glob("*.sh"), *others]
    for script in scripts:
        shell = script.read_text("utf-8").splitlines()[0].split("/")[-1].split()[-1]
        checked = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), script
        assert script.stat().st_mode & 0o111, script
