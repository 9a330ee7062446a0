"""What the service keeps is for its owner only."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e3d.config.deployment import ServiceSettings
from e2e3d.errors import MachineError
from e2e3d.runtime import private_folders as folders
from e2e3d.service.file_permissions import correct_permissions
from tests.command import ROOT, environment


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def settings(home: Path, **changes: str) -> ServiceSettings:
    return ServiceSettings(home=home, secret_key="k" * 40, **changes)


def fill(home: Path) -> list[Path]:
    """A home as an earlier version left it: 755 and 644."""
    files = ["e2e3d.sqlite", "e2e3d.sqlite-wal", "times.json", "work/j-1/out/model.glb", "store/blob/aa/x"]
    for name in files:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
    return [home, *home.rglob("*")]


def test_what_was_open_is_closed_and_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    kept = fill(home)
    assert mode(home) == 0o755
    (line,) = correct_permissions(settings(home))
    assert f"{len(kept)} files and folders in {home}" in line
    assert {mode(path) for path in kept} == {0o700, 0o600}
    assert all(mode(path) == (0o700 if path.is_dir() else 0o600) for path in kept)
    assert correct_permissions(settings(home)) == []


def test_below_a_closed_home_only_the_store_is_passed_over(tmp_path: Path) -> None:
    home = tmp_path / "home"
    fill(home)
    home.chmod(0o700)
    correct_permissions(settings(home))
    assert [mode(home / name) for name in ("e2e3d.sqlite", "work/j-1/out/model.glb", "store")] == [0o600, 0o600, 0o700]


def test_links_are_not_followed_and_a_database_elsewhere_is_closed_too(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    home.mkdir()
    names = ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm", "other"]
    for name in names:
        (elsewhere / name).write_text("x")
    (home / "link").symlink_to(elsewhere / "other")
    correct_permissions(settings(home, database_url=f"sqlite:///{elsewhere / 'db.sqlite'}"))
    assert [mode(elsewhere / name) for name in names] == [0o600, 0o600, 0o600, 0o644]
    assert mode(elsewhere) == 0o755  # not ours to close


def test_what_a_service_prepares_is_for_its_owner(tmp_path: Path) -> None:
    code = (
        "from e2e3d.service.file_permissions import keep_files_private; from e2e3d.serve.preparation import prepare; "
        "keep_files_private(); prepare()"
    )
    home = tmp_path / "home"
    subprocess.run([sys.executable, "-c", code], env=environment(E2E3D_HOME=str(home)), check=True, cwd=ROOT)
    kept = {path.name: mode(path) for path in [home, *home.rglob("*")]}
    assert {"home", "secret-key", "e2e3d.sqlite"} <= set(kept)
    assert all(value & 0o077 == 0 for value in kept.values()), kept


@pytest.mark.parametrize("what", ["open", "link"])
def test_the_folder_of_rays_sockets_is_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    root = tmp_path / f"e2e3d-ray-{os.getuid()}"
    if what == "open":
        root.mkdir(mode=0o755)
        made = folders.new_folder()
        assert (mode(root), mode(made)) == (0o700, 0o700)
        return
    (tmp_path / "elsewhere").mkdir()
    root.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MachineError) as caught:
        folders.new_folder()
    assert caught.value.code == "temporary-folder"
