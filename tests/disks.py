"""Disks that are too small, for tests that fill one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a disk of some bytes, or changes its size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def resize(size_bytes: int) -> Path:
        nonlocal mounted
        options = f"remount,size={size_bytes}" if mounted else f"size={size_bytes}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
        if done.returncode:
            pytest.skip("only root may mount a small disk")
        mounted = True
        return folder

    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    yield resize
    if mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)
