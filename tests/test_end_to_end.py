"""The whole way: photographs through the command line on Ray, and what comes out judged against the exact scene."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open3d as o3d
import pycolmap
import pytest
import trimesh
from safetensors import safe_open

from e2e3d.data.stats import StageStats
from e2e3d.outputs.evaluation.evaluate import Evaluation, evaluate
from e2e3d.outputs.manifest import Manifest, read_manifest
from tests.command import SampleRun, e2e3d, run_arguments, stored

pytestmark = pytest.mark.slow

STAGES = (
    *("ingest", "pairs", "features", "matching", "still_regions", "mapping", "geometry"),
    *("undistort", "depth"),
    *("refinement 1", "refinement 2", "consistency"),
    *("fusion", "merge", "mesh", "texture", "export"),
)


@pytest.fixture(scope="module")
def manifest(sample_run: SampleRun) -> Manifest:
    return read_manifest(sample_run.out)


@pytest.fixture(scope="module")
def judged(sample_run: SampleRun) -> Evaluation:
    return evaluate(sample_run.out, sample_run.sample / "gt_model", sample_run.photos, sample_run.sample)


@pytest.fixture
def copy(sample_run: SampleRun, tmp_path: Path) -> Iterator[Path]:
    """A copy of the result folder that a test may change."""
    out = tmp_path / "out"
    shutil.copytree(sample_run.out, out)
    yield out
    shutil.rmtree(out)


def test_cameras_are_where_they_were(judged: Evaluation) -> None:
    assert judged.cameras is not None
    assert judged.cameras.registered == judged.cameras.expected == 8
    assert judged.cameras.position_median < 0.0015  # metres, 3.2 m from the sculpture
    assert judged.cameras.position_max < 0.004
    assert judged.cameras.rotation_median_deg < 0.04


def test_cloud_and_mesh_lie_on_the_exact_surface(judged: Evaluation) -> None:
    assert judged.cloud is not None
    assert judged.mesh is not None
    cloud = {score.threshold: score for score in judged.cloud}
    mesh = {score.threshold: score for score in judged.mesh}
    # A pixel of the photographs is half a pixel of the depth maps here.
    assert cloud[2].precision > 0.94
    assert cloud[2].f_score > 0.83
    assert cloud[4].f_score > 0.89
    assert mesh[2].f_score > 0.85
    assert mesh[4].f_score > 0.90


def test_the_model_looks_like_the_photographs(judged: Evaluation) -> None:
    assert judged.rephotography is not None
    assert judged.rephotography.views == 8
    assert judged.rephotography.coverage > 0.75
    assert judged.rephotography.ncc > 0.82
    assert judged.rephotography.score > 0.65


def test_the_end_tells_where_the_results_are(sample_run: SampleRun) -> None:
    for name in ("model.glb", "dense.ply", "report.html"):
        assert str(sample_run.out / name) in sample_run.printed
    time, store = sample_run.printed.splitlines()[-2:]
    assert time.startswith("time")
    assert store.startswith("store")
    judgement = read_manifest(sample_run.out).judgement
    assert judgement is not None
    assert f"judgement    {judgement.verdict}" in sample_run.printed


def test_every_file_opens_elsewhere(sample_run: SampleRun, manifest: Manifest) -> None:
    out, counts = sample_run.out, manifest.counts
    model = pycolmap.Reconstruction(str(out / "sparse"))
    assert (model.num_reg_images(), model.num_points3D()) == (8, counts.sparse_points)
    cloud = o3d.t.io.read_point_cloud(str(out / "dense.ply"))
    assert len(cloud.point.positions) == counts.dense_points > 50_000
    assert {"normals", "colors", "confidence"} <= set(cloud.point)
    assert np.allclose(np.linalg.norm(cloud.point.normals.numpy(), axis=1), 1, atol=1e-3)
    assert len(o3d.io.read_triangle_mesh(str(out / "mesh.ply")).triangles) == counts.faces
    for name in ("model.glb", "model.obj"):
        (part,) = trimesh.load_scene(out / name, process=False).dump()
        assert len(part.faces) == counts.faces <= 20_000
        texture = part.visual.material.baseColorTexture if name.endswith("glb") else part.visual.material.image
        width, height = texture.size
        assert 0.9 * 1024 < width == height <= 1024  # the page is as large as the charts need
    assert len(o3d.io.read_triangle_mesh(str(out / "model.glb"), enable_post_processing=True).triangles) == counts.faces
    cameras = json.loads((out / "cameras.json").read_text())
    assert cameras
    report = (out / "report.html").read_text()
    assert all(f"IMG_{number:04d}.jpg" in report for number in range(1, 9))
    assert "http://" not in report.replace("http://www.w3.org", "")


def test_a_photograph_in_sparse_looks_at_the_glb(sample_run: SampleRun) -> None:
    """Each sparse point lies on the GLB's surface, and is what its photograph's ray hits first."""
    (part,) = trimesh.load_scene(sample_run.out / "model.glb", process=False).dump()
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(
        o3d.core.Tensor(np.asarray(part.vertices, np.float32)), o3d.core.Tensor(np.asarray(part.faces, np.uint32))
    )
    model = pycolmap.Reconstruction(str(sample_run.out / "sparse"))
    for image in model.images.values():
        centre = image.projection_center()
        points = np.array([model.points3D[p.point3D_id].xyz for p in image.points2D if p.has_point3D()])
        rays = np.concatenate([np.broadcast_to(centre, points.shape), points - centre], 1).astype(np.float32)
        reached = caster.cast_rays(o3d.core.Tensor(rays))["t_hit"].numpy()
        assert np.median(np.abs(reached - 1)) < 0.004
        assert np.mean(np.abs(reached - 1) < 0.02) > 0.85


def test_the_manifest_is_complete(sample_run: SampleRun, manifest: Manifest) -> None:
    assert tuple(stage.stage for stage in manifest.stages) == STAGES
    assert all(stage.cpu_s >= 0 and stage.elapsed_s > 0 and stage.peak_memory_bytes > 1e7 for stage in manifest.stages)
    assert all(stage.reused_units == 0 for stage in manifest.stages)
    assert manifest.quality == "preview"
    assert manifest.settings["depth"]["max_size_px"] == 320
    assert manifest.seeds
    assert manifest.libraries["pycolmap"]
    assert manifest.frame == "upright"
    for photo in manifest.photographs:
        assert photo.state == "registered"
        assert hashlib.sha256((sample_run.photos / photo.name).read_bytes()).hexdigest() == photo.sha256
    listed = {file.path: file for file in manifest.outputs}
    visible = {
        path.relative_to(sample_run.out).as_posix()
        for path in sample_run.out.rglob("*")
        if path.is_file() and ".e2e3d" not in path.parts
    }
    assert visible == {*listed, "manifest.json"}
    for name, file in listed.items():
        assert hashlib.sha256((sample_run.out / name).read_bytes()).hexdigest() == file.sha256


def test_info_tells_it_in_short(sample_run: SampleRun) -> None:
    told = e2e3d("info", sample_run.out)
    assert told.returncode == 0
    assert "8 of 8 in the model" in told.stdout
    assert "model.glb" in told.stdout


def test_the_same_command_again_computes_nothing(sample_run: SampleRun, copy: Path) -> None:
    """The manifest goes on to tell what the run cost that made the result."""
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    again = e2e3d(*run_arguments(sample_run.photos, copy), timeout_s=300)
    assert again.returncode == 0, again.stderr
    assert "8/8, 8 reused" in again.stderr
    changed = [path for path, time_ns in before.items() if path.stat().st_mtime_ns != time_ns]
    assert {path.name for path in changed} <= {"run.log", "lock"}
    assert set(stored(copy)) == set(stored(sample_run.out))


def test_other_settings_compute_only_what_depends_on_them(sample_run: SampleRun, copy: Path) -> None:
    again = e2e3d(*run_arguments(sample_run.photos, copy, "--set", "texture.atlas_size_px=512"), timeout_s=300)
    assert again.returncode == 0, again.stderr
    assert computed_units(read_manifest(copy).stages) == {"texture": 1}
    (part,) = trimesh.load_scene(copy / "model.glb", process=False).dump()
    assert part.visual.material.baseColorTexture.size == (512, 512)


def test_one_photograph_more_computes_only_what_is_new(sample_run: SampleRun, copy: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(sample_run.photos, photos)
    (photos / "IMG_0009.jpg").write_bytes((photos / "IMG_0008.jpg").read_bytes()[:20_000])
    again = e2e3d(*run_arguments(photos, copy), timeout_s=300)
    assert again.returncode == 0, again.stderr
    manifest = read_manifest(copy)
    assert computed_units(manifest.stages) == {"ingest": 1}
    torn = manifest.photographs[-1]
    assert (torn.name, torn.state, torn.code) == ("IMG_0009.jpg", "rejected", "photo-unreadable")
    assert torn.reason in (copy / "report.html").read_text()


@pytest.mark.operations
def test_both_executors_give_the_same_keys_and_results(sample_run: SampleRun, tmp_path: Path) -> None:
    from e2e3d.config.overrides import apply_overrides, parse_assignments
    from e2e3d.config.presets import PRESETS
    from e2e3d.pipeline.inprocess import InProcessExecutor
    from e2e3d.pipeline.pipeline import reconstruct
    from e2e3d.storage.store import ArtifactStore
    from tests.command import SMALL

    config = apply_overrides(PRESETS["preview"], parse_assignments(list(SMALL)))
    executor = InProcessExecutor(ArtifactStore(str(tmp_path / ".e2e3d" / "store")), device="cpu")
    reconstruct(sample_run.photos, config, executor)
    here, on_ray = stored(tmp_path), stored(sample_run.out)
    assert here.keys() == on_ray.keys()
    assert [key for key in here if content(here[key]) != content(on_ray[key])] == []


def test_real_photographs(shared_data: Path, tmp_path: Path) -> None:
    photos = shared_data / "strecha_fountain_p11"
    finer = ("--set", "features.max_size_px=1000")  # the later of two values for a setting counts
    done = e2e3d(*run_arguments(photos / "images", tmp_path / "out", *finer), timeout_s=580)
    assert done.returncode == 0, done.stderr
    judged = evaluate(tmp_path / "out", photos / "gt_cameras.json", photos / "images")
    assert judged.cameras is not None
    assert judged.rephotography is not None
    assert judged.cameras.registered == 11
    assert judged.cameras.position_median < 0.008  # metres
    assert judged.rephotography.score > 0.65


def computed_units(stages: tuple[StageStats, ...]) -> dict[str, int]:
    """How many units each stage computed anew, the export apart."""
    anew = {stage.stage: stage.units - stage.reused_units for stage in stages if stage.stage != "export"}
    return {stage: units for stage, units in anew.items() if units}


def content(path: Path) -> tuple[str, dict[str, bytes]]:
    """A stored result without what it cost."""
    with safe_open(path, "np") as file:
        return file.metadata()["record"], {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
