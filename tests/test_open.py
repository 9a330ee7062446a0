"""A finished run is opened as it is: nothing computed, nothing written, every record there."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

import e2e3d
from e2e3d.errors import InputError
from tests.command import SampleRun


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_finished_run_is_opened_and_left_as_it_is(sample_run: SampleRun, tmp_path: Path) -> None:
    before = state_of(sample_run.out)
    e2e3d.open(sample_run.out)  # imports what it needs
    started_s = time.monotonic()
    result = e2e3d.open(sample_run.out)
    assert time.monotonic() - started_s < 1
    assert result.judgement.verdict in ("good", "doubtful")
    assert len(result.scene.images) == result.manifest.counts.registered == 8
    assert len(result.cloud.points_world) == result.manifest.counts.dense_points
    assert len(result.textured.mesh.faces) == result.manifest.counts.faces
    views = [ref.load() for ref in result.records.views]
    depths = [ref.load() for ref in result.records.depths]
    assert [view.image.shape[:2] for view in views] == [depth.depth.shape for depth in depths]
    assert all(np.isfinite(depth.depth).all() for depth in depths)
    assert len(result.records.features) == len(result.records.photos) == len(result.records.photo_files) == 8
    assert result.paths.glb.is_file()
    assert [path.name for path in result.paths.textures] == ["model_0.jpg"]
    assert (result.paths.laz, result.paths.depth) == (None, None)
    assert state_of(sample_run.out) == before

    moved = tmp_path / "moved"
    shutil.copytree(sample_run.out, moved)
    assert len(e2e3d.open(moved).mesh.faces) > 0  # its own store came with it
    (moved / ".e2e3d" / "records").write_bytes(b"something else")
    with pytest.raises(InputError, match="does not say which stored results") as caught:
        e2e3d.open(moved)
    assert caught.value.code == "no-records"


def test_a_folder_without_a_result_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no finished result") as caught:
        e2e3d.open(tmp_path)
    assert caught.value.code == "no-result"
