"""A finished run from inside: every record by name, single units again, costs, plots."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import e2e3d
from e2e3d.errors import InputError, MachineError, SettingsError
from e2e3d.inspection.result import Result
from e2e3d.inspection.run_costs import UnitCost
from e2e3d.inspection.run_records import stage_of_pass
from e2e3d.runtime.notebook_extra import notebook_library
from tests.command import SampleRun

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(sample_run: SampleRun) -> Result:
    return e2e3d.open(sample_run.out)


def test_photographs_are_found_by_name(result: Result) -> None:
    assert list(result) == list(result.names)
    assert len(result) == 8
    photo = result["IMG_0003.jpg"]
    assert photo.registered
    assert photo.image.shape == (photo.photo.height_px, photo.photo.width_px, 3)
    observed_px, points = photo.observations
    in_camera = points @ photo.cam_from_world[:, :3].T + photo.cam_from_world[:, 3]
    projected = in_camera[:, :2] / in_camera[:, 2:] * np.diag(photo.K)[:2] + photo.K[:2, 2]
    assert np.median(np.linalg.norm(projected - observed_px, axis=1)) < 0.5
    assert set(photo.sources) <= set(result)
    with pytest.raises(InputError, match=r"Did you mean IMG_0003\.jpg"):
        result["img_3.jpg"]
    assert repr(photo) == "PhotoResult(IMG_0003.jpg, 640 x 480 px, registered)"


def test_depth_is_there_after_every_pass(result: Result) -> None:
    photo = result["IMG_0003.jpg"]
    assert list(photo.depth_passes) == ["depth", "refinement 1", "refinement 2", "consistency"]
    np.testing.assert_array_equal(photo.depth_passes["consistency"].depth, photo.depth)
    points = photo.view.unproject(photo.depth)[photo.depth > 0]
    _, depth = photo.view.project(points)
    np.testing.assert_allclose(depth, photo.depth[photo.depth > 0], rtol=1e-5)
    assert photo.normal.shape == (*photo.depth.shape, 3)
    assert [type(refs[0].load()).__name__ for refs in result.passes.values()][-1] == "TexturedMesh"


def test_matches_obey_their_geometry_in_either_order(result: Result) -> None:
    pair = result.matches("IMG_0001.jpg", "IMG_0002.jpg")
    turned = result["IMG_0002.jpg"].matches("IMG_0001.jpg")
    np.testing.assert_array_equal(pair.points1_px, turned.points2_px)
    for one in (pair, turned):
        x1, x2 = (np.c_[points, np.ones(len(one))] for points in (one.points1_px, one.points2_px))
        lines = x1 @ one.F.T
        distance_px = np.abs((lines * x2).sum(1)) / np.linalg.norm(lines[:, :2], axis=1)
        assert np.median(distance_px) < 1
    everything = result.matches("IMG_0001.jpg", "IMG_0002.jpg", outliers=True)
    assert len(everything) == everything.candidates == pair.candidates
    assert everything.inlier.sum() == len(pair)
    graph = result.match_graph()
    assert graph.matrix[0, 1] == graph.matrix[1, 0] == len(pair) == result["IMG_0001.jpg"].neighbours["IMG_0002.jpg"]


def test_a_unit_is_computed_again_with_other_settings(result: Result, sample_run: SampleRun) -> None:
    before = sorted(sample_run.out.rglob("*"))
    name = "IMG_0004.jpg"
    passes = result[name].depth_passes
    for stage, label in (("depth", "depth"), ("refinement", "refinement 1"), ("consistency", "consistency")):
        np.testing.assert_array_equal(result.rerun(stage, view=name).depth, passes[label].depth)
    np.testing.assert_array_equal(result.rerun("features", view=name).keypoints_px, result.features(name).keypoints_px)
    np.testing.assert_array_equal(
        result.rerun("matching", pair=("IMG_0002.jpg", "IMG_0001.jpg")).matches,
        result.matches("IMG_0001.jpg", "IMG_0002.jpg").indices,
    )
    other = result.rerun("depth", view=name, window_radius_px=3)
    assert not np.array_equal(other.depth, passes["depth"].depth)
    smaller = result.rerun("depth", view=name, max_size_px=160)
    assert max(smaller.depth.shape) == 160
    assert sorted(sample_run.out.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"stage": "dept"}, "unknown-stage"),
        ({"stage": "depth"}, "bad-setting"),
        ({"stage": "depth", "view": "IMG_0004.jpg", "window_radius": 3}, "unknown-setting"),
        ({"stage": "depth", "view": "IMG_0004.jpg", "window_radius_px": 4}, "bad-setting"),
        ({"stage": "undistort", "view": "IMG_0004.jpg", "seed": 4}, "unknown-setting"),
        ({"stage": "matching", "view": "IMG_0004.jpg"}, "bad-setting"),
    ],
)
def test_what_cannot_be_computed_again_is_refused(result: Result, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(SettingsError) as caught:
        result.rerun(**arguments)
    assert caught.value.code == code


def test_costs_and_sizes_add_up(result: Result) -> None:
    units = result.costs(units=True)
    for stage in result.costs():
        if stage.stage != "export":
            own = [unit for unit in units if unit.stage == stage.stage]
            assert len(own) == stage.units
            assert sum(unit.cpu_s for unit in own) == pytest.approx(stage.cpu_s)
    assert {unit.unit for unit in units if unit.stage == "refinement 2"} == set(result)
    frame = units.to_pandas()
    assert list(frame.columns) == [field.name for field in fields(UnitCost)]
    assert frame.cpu_s.sum() == pytest.approx(sum(unit.cpu_s for unit in units))
    assert result.costs()._repr_html_().count("<tr>") == 1 + len(result.manifest.stages)
    assert f"and {len(units) - 60} more" in units._repr_html_()
    by_stage = result.size(by="stage")
    assert result.size() == sum(by_stage.values()) == sum(result.inside.store.sizes().values())
    assert by_stage["photographs"] == sum(len(ref.load()) for ref in result.records.photo_files)


def test_a_store_is_pruned(sample_run: SampleRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    shutil.copytree(sample_run.out, out)
    result = e2e3d.open(out)
    result.inside.store.put_blob(b"of another run")
    assert result.prune("run") == len(b"of another run")
    assert result.prune("run") == 0
    before = result.size()
    freed = result.prune("result")
    assert freed > 0.3 * before
    again = e2e3d.open(out)
    assert again.size() == before - freed
    assert len(again.textured.mesh.faces) == again.manifest.counts.faces
    assert again["IMG_0001.jpg"].depth.any()
    with pytest.raises(MachineError) as caught:
        _ = again["IMG_0001.jpg"].depth_passes
    assert caught.value.code == "artifact-missing"
    with pytest.raises(SettingsError, match="run or result"):
        again.prune("nothing")  # type: ignore[arg-type]


def test_a_result_is_pickled_compared_and_shown(result: Result) -> None:
    copy = pickle.loads(pickle.dumps(result))
    assert copy == result
    assert len(copy.mesh.faces) == result.manifest.counts.faces
    assert "8 of 8 photographs" in repr(result)
    assert "\n" not in repr(result)
    shown = result._repr_html_()
    assert shown.count("<img") == 1
    assert "8 of 8 in the model" in shown
    assert "keypoints" in result["IMG_0001.jpg"]._repr_html_()
    assert repr(result.judgement).startswith(f"Judgement({result.judgement.verdict}")
    assert "<th style='text-align:left'>rephotography_ncc</th>" in result.judgement._repr_html_()


PLOTS: dict[str, Callable[[Result], Any]] = {
    "keypoints": lambda result: result.plot.keypoints("IMG_0001.jpg"),
    "matches": lambda result: result.plot.matches("IMG_0001.jpg", "IMG_0002.jpg", outliers=True, limit=50),
    "match_graph": lambda result: result.plot.match_graph(),
    "depth": lambda result: result.plot.depth("IMG_0001.jpg", every_pass=True),
    "normals": lambda result: result.plot.normals("IMG_0001.jpg"),
    "confidence": lambda result: result.plot.confidence("IMG_0001.jpg"),
    "atlas": lambda result: result.plot.atlas(),
}


@pytest.mark.parametrize("kind", PLOTS)
def test_pictures_are_drawn(result: Result, kind: str, tmp_path: Path) -> None:
    import cv2

    PLOTS[kind](result).savefig(tmp_path / "plot.png", dpi=60)
    picture = cv2.imread(str(tmp_path / "plot.png"))
    assert picture is not None
    assert picture.std() > 5


def test_views_in_three_dimensions_hold_the_model_and_need_no_network(result: Result) -> None:
    cameras = result.plot.cameras()
    np.testing.assert_allclose(cameras.data[2].x, [image.center_world[0] for image in result.scene], rtol=1e-6)
    assert len(result.plot.mesh().data[0].i) == len(result.mesh.faces)
    for color in ("photo", "confidence", "views", "normal"):
        assert len(result.plot.cloud(color=color, limit=500).data[0].x) == 500
    page = cameras.to_html(include_plotlyjs=True)
    assert 'src="http' not in page


def test_a_missing_library_is_named_with_its_extra() -> None:
    with pytest.raises(MachineError, match=r"e2e3d\[notebooks\]") as caught:
        notebook_library("matplotlib_of_another_world")
    assert caught.value.code == "missing-package"


def test_passes_are_known_by_their_stages() -> None:
    labels = ["matching", "matching 2", "linked matching", "linked matching 2", "mapping again", "depth, 480 px"]
    assert [stage_of_pass(label) for label in labels] == ["matching"] * 4 + ["mapping", "depth"]
