"""A run into a folder that has its result already, runs that end early, and those that may compute nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import e2e3d
from e2e3d.errors import InputError, SettingsError
from e2e3d.inspection.result import Result
from e2e3d.outputs.evaluation.references import read_surface
from tests.command import SMALL, SampleRun

pytestmark = pytest.mark.slow
SETTINGS = dict(setting.split("=") for setting in SMALL)


@pytest.fixture
def own_run(sample_run: SampleRun, tmp_path: Path) -> SampleRun:
    shutil.copytree(sample_run.out, tmp_path / "out")
    return SampleRun(sample_run.sample, tmp_path / "out", "")


def again(run: SampleRun, **more: Any) -> Result:
    settings = more.pop("settings", SETTINGS)
    return e2e3d.reconstruct(run.photos, run.out, "preview", settings, **more)


def files_of(out: Path) -> dict[str, tuple[int, int]]:
    private = {"run.log", "lock"}
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in out.rglob("*")
        if path.is_file() and path.name not in private
    }


def test_a_finished_result_is_left_as_it_is(own_run: SampleRun) -> None:
    before, manifest = files_of(own_run.out), e2e3d.open(own_run.out).manifest
    result = again(own_run)
    assert files_of(own_run.out) == before
    assert result.manifest == manifest
    config = e2e3d.Config.preset("preview").replace(**SETTINGS)
    e2e3d.reconstruct(own_run.photos, own_run.out, settings=config, executor="inprocess")
    assert files_of(own_run.out) == before


def test_files_that_are_damaged_or_missing_are_made_again(own_run: SampleRun) -> None:
    before = e2e3d.open(own_run.out)
    wanted = before.paths.obj.read_bytes()
    damaged = bytearray(wanted)
    damaged[100] ^= 1
    before.paths.obj.write_bytes(damaged)
    before.paths.report.unlink()
    result = again(own_run)
    assert result.paths.obj.read_bytes() == wanted
    assert result.paths.report.is_file()
    assert result.manifest.started_at == before.manifest.started_at
    assert result.manifest.elapsed_s > 0.5 * before.manifest.elapsed_s
    assert [s.cpu_s for s in result.manifest.stages[:-1]] == [s.cpu_s for s in before.manifest.stages[:-1]]


def test_another_option_exports_anew(own_run: SampleRun) -> None:
    before = e2e3d.open(own_run.out)
    result = again(own_run, keep_depth=True)
    assert result.paths.depth is not None
    assert result.manifest.started_at != before.manifest.started_at
    assert again(own_run).paths.depth is None


def test_tiles_are_added_to_a_finished_run_and_stay(own_run: SampleRun) -> None:
    written = e2e3d.open(own_run.out).write_tiles()
    result = again(own_run)
    assert result.paths.tileset in written
    assert result.paths.copc in written
    assert all(path.is_file() for path in written)
    assert again(own_run, tiles=False).paths.tileset is None


def test_a_run_ends_where_it_is_told_to(own_run: SampleRun) -> None:
    before = files_of(own_run.out)
    sparse = again(own_run, until="mapping", only_stored=True)
    assert len(sparse.scene.images) == 8
    assert "not exported" in repr(sparse)
    for name, code in (("mesh", "not-computed"), ("manifest", "not-exported"), ("judgement", "not-exported")):
        with pytest.raises(InputError) as caught:
            getattr(sparse, name)
        assert caught.value.code == code
    with pytest.raises(InputError) as caught:
        _ = sparse["IMG_0001.jpg"].depth
    assert caught.value.code == "no-view"
    assert len(again(own_run, until="cloud").cloud.points_world) > 1000
    assert len(again(own_run, until="mesh", export=False).mesh.faces) > 1000
    assert files_of(own_run.out) == before


def test_a_forgotten_argument_says_what_would_be_computed(own_run: SampleRun) -> None:
    before = files_of(own_run.out)
    with pytest.raises(SettingsError, match=r"8 of depth, 16 of refinement, 8 of consistency") as caught:
        again(own_run, settings={**SETTINGS, "depth.seed": 5}, only_stored=True)
    assert caught.value.code == "not-stored"
    shutil.copytree(own_run.photos, own_run.out.parent / "more")
    (own_run.out.parent / "more" / "IMG_0001.jpg").write_bytes(b"another photograph")
    with pytest.raises(SettingsError, match="not in the store"):
        e2e3d.reconstruct(own_run.out.parent / "more", own_run.out, "preview", SETTINGS, only_stored=True)
    assert files_of(own_run.out) == before


def test_given_poses_take_the_place_of_mapping(own_run: SampleRun) -> None:
    before = files_of(own_run.out)
    truth = e2e3d.scene_from_colmap(own_run.sample / "gt_model")
    posed = again(own_run, poses=own_run.sample / "gt_model", until="mapping", executor="inprocess")
    assert files_of(own_run.out).items() > before.items()  # of all stages, only this one was computed
    assert set(posed.passes) == {"ingest", "pairs", "features", "matching", "still_regions", "mapping"}
    for image in posed.scene:
        np.testing.assert_allclose(image.cam_from_world, truth[image.name].cam_from_world, atol=1e-12)
        assert posed.scene.camera_of(image).params == truth.camera_of(truth[image.name]).params
    points, errors = posed.scene.points_world, posed.scene.errors_px
    assert len(points) > 1000
    assert np.median(errors) < 0.3
    surface = read_surface(own_run.sample)
    vertices = surface.mesh.vertices_world
    distance = np.array([np.linalg.norm(vertices - point, axis=1).min() for point in points[::20]])
    assert np.median(distance) < 3 * surface.footprint
    same = again(own_run, poses=posed.scene, until="mapping", only_stored=True)
    assert same.records.mapped == posed.records.mapped


def test_the_preset_is_that_of_the_config(own_run: SampleRun) -> None:
    config = e2e3d.Config.preset("low")
    with pytest.raises(SettingsError, match="began as low"):
        e2e3d.reconstruct(own_run.photos, own_run.out, "preview", config)
