"""Runs a script of ``web/e2e`` in Debian's Chromium, and gives what it has seen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from e2e3d.serve.web_page import FOLDER
from scripts.build_web import WEB, find_node
from tests.live import EMAIL, PASSWORD
from tests.running_service import patience_s


def seen_by(script: str, timeout_s: float = 120.0, **environment: str) -> dict[str, Any]:
    """What a script prints; the test is skipped where the page is not built, or there is no browser."""
    node, chromium = find_node(), shutil.which("chromium")
    if not (FOLDER / "index.html").is_file() or node is None:
        pytest.skip("the page is not built: run `make web`")
    if chromium is None:
        pytest.skip("there is no chromium")
    patience_ms = str(round(1000 * patience_s(60.0)))
    given = {"CHROMIUM": chromium, "EMAIL": EMAIL, "PASSWORD": PASSWORD, "PATIENCE_MS": patience_ms} | environment
    done = subprocess.run(
        [node.folder / "node", f"e2e/{script}"],
        cwd=WEB,
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=patience_s(timeout_s),
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert "error" not in seen, seen
    assert seen["complaints"] == []
    assert seen["violations"] == {}
    return seen
