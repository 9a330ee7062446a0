"""The documents are a site without a broken link, whose references are made from the code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.site_hooks import OUTSIDE, place_of
from tests.command import ROOT


def test_links_to_pages_elsewhere_in_the_repository_have_a_place() -> None:
    assert all((ROOT / source).is_file() for source in OUTSIDE)
    assert place_of("docs/adr/0001-content-keys.md") == "adr/0001-content-keys.md"
    assert place_of("benchmarks/RESULTS.md") == "project/results.md"
    assert place_of("e2e3d/cli.py") is None


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")]
    given = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("index.html")}
    assert {"index.html", "http/index.html", "runbooks/E2E3DDown/index.html", "project/results/index.html"} <= pages
    assert "POST /v1/jobs" in (tmp_path / "site" / "http" / "index.html").read_text()
    notebook = (tmp_path / "site" / "notebooks" / "05_your_own_matcher_and_depth" / "index.html").read_text()
    assert "own_stages" in notebook
    assert 'href="../../plugins/"' in notebook
    assert 'href="../01_quick_start/"' in notebook
    start = (tmp_path / "site" / "index.html").read_text()
    assert 'href="operations/"' in start
    assert "fonts.googleapis.com" not in start
