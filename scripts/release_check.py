"""Builds a release, installs it in an environment of its own and tries it there; nothing is published.

usage: scripts/release_check.py DIST [--borrow]

The sdist and, from it, the wheel are written into DIST, and the rest lies in a temporary folder. With --borrow the
environment borrows the libraries of this one instead of installing them, which saves minutes and downloads, and does
not see a dependency that pyproject.toml forgets.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
import zipfile
from email.parser import BytesParser
from pathlib import Path

from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parents[1]
TRIAL = ROOT / "scripts" / "release_trial.py"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dist", type=Path)
    parser.add_argument("--borrow", action="store_true")
    arguments = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sdist, wheel = build(arguments.dist, f"e2e3d-{project['version']}")
    missing = [*left_out_of_sdist(sdist), *left_out_of_wheel(wheel), *faults_of_metadata(wheel, project)]
    if missing:
        print("\n".join(missing), file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="e2e3d-release-") as folder:
        programs = install(wheel, Path(folder) / "venv", arguments.borrow)
        # Started outside of the checkout, whose e2e3d would be imported in place of the installed one.
        trial = [programs / "python", TRIAL, project["version"], Path(folder) / "trial"]
        subprocess.run(list(map(str, trial)), cwd=folder, env=clean_environment(), check=True)
    print(f"{wheel} and {sdist.name} can be released.")
    return 0


def build(dist: Path, stem: str) -> tuple[Path, Path]:
    """The sdist and the wheel made from what the sdist holds."""
    said = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(dist), str(ROOT)], capture_output=True, text=True, check=False
    )
    if said.returncode != 0:
        sys.exit(said.stdout[-3000:] + said.stderr[-3000:])
    return dist / f"{stem}.tar.gz", dist / f"{stem}-py3-none-any.whl"


def package_files() -> set[str]:
    """Everything below e2e3d that is under version control."""
    command = ["git", "-C", str(ROOT), "ls-files", "e2e3d"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def left_out_of_wheel(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return [f"not in the wheel: {name}" for name in sorted(package_files() - set(archive.namelist()))]


def left_out_of_sdist(sdist: Path) -> list[str]:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = package_files() | {"pyproject.toml", "README.md", "LICENSE"}
    return [f"not in the sdist: {name}" for name in sorted(wanted - held)]


def faults_of_metadata(wheel: Path, project: dict[str, object]) -> list[str]:
    """What an index would refuse, and what differs from pyproject.toml."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(name)
    metadata = Metadata.from_email(text, validate=True)  # raises when a field is not valid
    said = {
        "version": str(metadata.version),
        "license": str(metadata.license_expression),
        "requires-python": str(metadata.requires_python),
        "readme": str(metadata.description_content_type).partition(";")[0],
    }
    wanted = {name: str(project[name]) for name in ("version", "license", "requires-python")}
    wanted["readme"] = "text/markdown"
    faults = [f"{name} is {said[name]}, not {value}" for name, value in wanted.items() if said[name] != value]
    if not BytesParser().parsebytes(text).get_payload():
        faults.append("the metadata hold no README")
    return faults


def install(wheel: Path, environment: Path, borrow: bool) -> Path:
    """Make the environment and install the wheel; returns the folder of its programs."""
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    programs = environment / "bin"
    options = ["--no-deps"] if borrow else ["--constraint", str(ROOT / "constraints.txt")]
    pip = [str(programs / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *options, str(wheel)], check=True, env=clean_environment(), cwd=environment)
    if borrow:
        (site,) = environment.glob("lib/python*/site-packages")
        # A plain line adds a folder and reads none of its .pth files, so an editable install is not borrowed.
        (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    else:
        subprocess.run([*pip, "check"], check=True, env=clean_environment(), cwd=environment)
    return programs


def clean_environment() -> dict[str, str]:
    """Without what would let Python, or E2E3D, find something of this checkout or of the user."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "E2E3D_", "RAY_"))}


if __name__ == "__main__":
    sys.exit(main())
