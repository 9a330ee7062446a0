"""Kernels are compiled ahead of the first job."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import e2e3d
from e2e3d.pipeline import compile_ahead
from e2e3d.runtime.kernel_cache import compiled_mark

KERNEL = re.compile(r"^@(numba\.)?(njit|kernel|vector_kernel|row_kernel|over_rows)\b", re.MULTILINE)


@pytest.mark.slow
@pytest.mark.operations
def test_kernels_of_every_module_are_compiled_and_then_it_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "compiled"
    monkeypatch.setattr(compile_ahead, "compiled_mark", lambda: mark)
    compile_ahead.compile_kernels()
    assert mark.exists()
    modules = {
        file.stem for file in (Path(e2e3d.__file__).parent / "ops").rglob("*.py") if KERNEL.search(file.read_text())
    }
    assert len(modules) > 20
    assert modules <= {file.name.partition(".")[0] for file in compiled_mark().parent.rglob("*.nbc")}
