"""The examples of docs/python.md run, one after another, on the session's finished run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT, SampleRun

PAGE = ROOT / "docs" / "python.md"


@pytest.mark.slow
def test_the_examples_run(
    sample_run: SampleRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photographs").symlink_to(sample_run.photos)
    (tmp_path / "truth").symlink_to(sample_run.sample)
    shutil.copytree(sample_run.out, "out")
    examples = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(examples) > 8
    names: dict[str, Any] = {"__name__": "__main__"}
    for example in examples:
        exec(compile(example, PAGE.name, "exec"), names)
    assert "not-stored" in capsys.readouterr().out
    assert (tmp_path / "mesh.html").stat().st_size > 1_000_000
    assert (tmp_path / "evaluation.png").is_file()
