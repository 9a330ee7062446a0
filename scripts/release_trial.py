"""What an installed E2E3D must be able to do; release_check.py runs it with the Python of a fresh environment.

usage: PYTHON scripts/release_trial.py VERSION FOLDER      FOLDER is made
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from importlib import resources
from pathlib import Path

import e2e3d


def main() -> None:
    version, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir()
    environment = Path(sys.prefix)
    require(Path(e2e3d.__file__).is_relative_to(environment), f"e2e3d is imported from {e2e3d.__file__}")
    require(importlib.metadata.version("e2e3d") == version, "the version")
    require(resources.files("e2e3d").joinpath("py.typed").is_file(), "py.typed")
    require(program("--version").strip() == f"e2e3d {version}", "e2e3d --version")
    database(folder / "e2e3d.sqlite")
    program("sample", str(folder / "sample"))
    require(len(list((folder / "sample" / "images").iterdir())) > 10, "photographs of e2e3d sample")
    report_template()
    print(f"e2e3d {version} in {environment}: version, types, migrations, sample set and report are there.")


def program(*arguments: str) -> str:
    """Run the installed command; returns what it printed."""
    command = [str(Path(sys.prefix) / "bin" / "e2e3d"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"e2e3d {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def database(path: Path) -> None:
    """The migrations are in the package, and run."""
    from e2e3d.service.database import Database
    from e2e3d.service.database.upgrade import upgrade

    upgraded = Database(f"sqlite:///{path}")
    upgrade(upgraded)
    upgraded.close()


def report_template() -> None:
    """The template of the report is a file of the package."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("e2e3d.outputs.report", ""), autoescape=True)
    require(environment.get_template("report.html.j2").filename is not None, "the template of the report")


def require(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"not as it should be in the installed package: {what}")


if __name__ == "__main__":
    main()
