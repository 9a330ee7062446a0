"""The notebooks run from top to bottom, and are kept as they should be: without outputs, and without logic."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.command import ROOT, SampleRun, environment

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def code_of(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@each
def test_it_is_kept_without_outputs_and_defines_nothing(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    assert not [cell.id for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    nodes = [node for code in code_of(path) for node in ast.walk(ast.parse(code))]
    assert not [node.lineno for node in nodes if isinstance(node, DEFINITIONS)]
    assert path.name in (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def work(sample_run: SampleRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a finished sample run of its own, where notebook 1 would leave it."""
    folder = tmp_path_factory.mktemp("work")
    shutil.copytree(sample_run.sample, folder / "sample")
    shutil.copytree(sample_run.out, folder / "sample" / "model")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@each
def test_it_runs_from_top_to_bottom_and_becomes_a_page(path: Path, work: Path, tmp_path: Path) -> None:
    script = ROOT / "scripts" / "notebook_pages.py"
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, script, work, tmp_path, path.stem],
        env=environment(PYTHONPATH=paths, IPYTHONDIR=str(tmp_path / "ipython")),
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    page = tmp_path / f"{path.stem}.html"
    assert 10_000 < page.stat().st_size < 4_000_000
    text = page.read_text(encoding="utf-8")
    assert "Traceback" not in text
    if any("e2e3d.reconstruct(" in code for code in code_of(path)):
        assert "<progress" in text  # a bar, by itself
