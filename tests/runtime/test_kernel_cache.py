"""Compiled kernels are never stale, and their folders do not pile up."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import e2e3d
from e2e3d.ops.stereo.planes import plane_from_normal
from e2e3d.runtime import kernel_cache
from e2e3d.runtime.kernel_cache import compiled_mark, source_digest, use_kernel_cache

SCRIPT = """
import sys
from pathlib import Path
from e2e3d.runtime.kernel_cache import use_kernel_cache
use_kernel_cache(Path("kernels"))
sys.path.insert(0, "kernels")
import caller
print(caller.twice(1.0), sum(caller.twice.stats.cache_hits.values()))
"""


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without the folder that the import of e2e3d.ops has chosen, and with it again afterwards."""
    numba = sys.modules["numba"]
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    return monkeypatch


def sources(folder: Path, text: str = "x = 1\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "module.py").write_text(text)
    return folder


def run_caller(folder: Path) -> list[float]:
    """The result of a kernel in a new process, and how many of its signatures came from the cache."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "NUMBA_CACHE_DIR": ""}
    environment["PYTHONPATH"] = str(Path(e2e3d.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [float(word) for word in done.stdout.split()]


@pytest.mark.slow
def test_an_edited_callee_in_another_file_is_compiled_again(tmp_path: Path) -> None:
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    (kernels / "callee.py").write_text("import numba\n\n\n@numba.njit\ndef once(x):\n    return x + 1.0\n")
    (kernels / "caller.py").write_text(
        "import numba\nfrom callee import once\n\n\n@numba.njit(cache=True)\ndef twice(x):\n    return once(once(x))\n"
    )
    assert run_caller(tmp_path) == [3.0, 0.0]
    assert run_caller(tmp_path) == [3.0, 1.0]
    (kernels / "callee.py").write_text("import numba\n\n\n@numba.njit\ndef once(x):\n    return x + 5.0\n")
    assert run_caller(tmp_path) == [11.0, 0.0]


def test_the_kernels_of_this_package_are_kept_there() -> None:
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.name == source_digest(Path(e2e3d.__file__).parent / "ops")
    assert Path(plane_from_normal.stats.cache_path).parent == folder


def test_all_kernels_are_below_ops() -> None:
    package = Path(e2e3d.__file__).parent
    compiled = [file.relative_to(package) for file in package.rglob("*.py") if "njit" in file.read_text()]
    assert compiled
    assert {path.parts[0] for path in compiled} == {"ops"}


def test_every_change_of_a_source_changes_the_folder(tmp_path: Path) -> None:
    digests = {source_digest(sources(tmp_path / "a")), source_digest(sources(tmp_path / "b", "x = 2\n"))}
    (tmp_path / "a" / "module.py").rename(tmp_path / "a" / "renamed.py")
    digests.add(source_digest(tmp_path / "a"))
    (tmp_path / "a" / "inner").mkdir()
    (tmp_path / "a" / "inner" / "more.py").write_text("")
    digests.add(source_digest(tmp_path / "a"))
    assert len(digests) == 4


def test_a_child_process_with_other_sources_uses_the_same_root(tmp_path: Path, unset: pytest.MonkeyPatch) -> None:
    unset.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    first = use_kernel_cache(sources(tmp_path / "a"))
    second = use_kernel_cache(sources(tmp_path / "b", "x = 2\n"))
    assert first.parent == second.parent == tmp_path / "mine" / "e2e3d-kernels"
    assert first != second
    assert os.environ["NUMBA_CACHE_DIR"] == sys.modules["numba"].config.CACHE_DIR == str(second)


def test_compiled_files_of_long_unused_sources_go(tmp_path: Path, unset: pytest.MonkeyPatch) -> None:
    unset.setenv("XDG_CACHE_HOME", str(tmp_path))
    old, recent = use_kernel_cache(sources(tmp_path / "a")), use_kernel_cache(sources(tmp_path / "b", "x = 2\n"))
    for folder in (old, recent):
        (folder / "stereo_1").mkdir()
        (folder / "stereo_1" / "kernel.nbc").write_bytes(b"code")
        (folder / "compiled-here").touch()
    os.utime(old, (1e9, 1e9))
    use_kernel_cache(sources(tmp_path / "c", "x = 3\n"))
    assert not list(old.rglob("*.nbc"))
    assert not (old / "compiled-here").exists()
    assert list(recent.rglob("*.nbc"))
    assert (recent / "compiled-here").exists()


def test_where_no_cache_folder_can_be_made(tmp_path: Path, unset: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "temporary").mkdir()
    unset.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    unset.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    folder = use_kernel_cache(sources(tmp_path / "a"))
    assert folder.is_dir()
    assert tmp_path / "temporary" in folder.parents


def test_another_copy_of_the_sources_has_to_be_compiled_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = compiled_mark()
    monkeypatch.setattr(kernel_cache, "__file__", str(tmp_path / "e2e3d" / "ops" / "kernel_cache.py"))
    assert compiled_mark() != here
    assert compiled_mark().parent == here.parent
