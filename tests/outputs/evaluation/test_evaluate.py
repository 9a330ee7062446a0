"""The evaluation gives known scores for known errors, and agrees with the scripts that judge results."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pycolmap
import pytest

from e2e3d.data.mesh import Mesh
from e2e3d.data.run_results import Results
from e2e3d.errors import InputError, SettingsError
from e2e3d.ops.formats.ply import write_mesh_ply
from e2e3d.outputs.evaluation.evaluate import evaluate, rephotography_score, surface_scores
from e2e3d.outputs.evaluation.references import read_cameras, read_model, read_textured
from e2e3d.outputs.export import export_results
from tests.synthetic import WIDTH, facts, sample_results


@pytest.fixture(scope="module")
def results() -> Results:
    return sample_results()


@pytest.fixture(scope="module")
def out(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result, the photographs it came from, and the exact surface beside it."""
    folder = tmp_path_factory.mktemp("evaluate")
    export_results(folder / "out", results, facts())
    (folder / "photos").mkdir()
    for photo, file in zip(results.photos, results.photo_files, strict=True):
        (folder / "photos" / photo.name).write_bytes(file.load())
    twin = folder / "twin"
    (twin / "gt_model").mkdir(parents=True)
    pycolmap.Reconstruction(str(folder / "out" / "sparse")).write_text(str(twin / "gt_model"))
    with (twin / "gt_mesh.ply").open("wb") as file:
        write_mesh_ply(file, results.mesh.load())
    (twin / "gt_points.ply").write_bytes((folder / "out" / "dense.ply").read_bytes())
    (twin / "gsd.txt").write_text("0.02\n")
    return folder / "out"


def script(shared_eval: Path, name: str, *arguments: str | Path) -> dict[str, float]:
    environment = os.environ | {"PYTHONPATH": str(shared_eval)}
    command = [sys.executable, str(shared_eval / name), *map(str, arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return dict(json.loads(answer.stdout.strip().splitlines()[-1]))


def test_an_exact_result_scores_full_marks(out: Path) -> None:
    evaluation = evaluate(out, cameras=out.parent / "twin" / "gt_model", surface=out.parent / "twin")
    assert evaluation.cameras is not None
    assert evaluation.cameras.registered == 5
    assert evaluation.cameras.position_max < 1e-9
    assert evaluation.cameras.rotation_max_deg < 1e-5
    assert evaluation.cloud is not None
    assert evaluation.mesh is not None
    assert min(score.f_score for score in evaluation.cloud) > 0.99
    assert min(score.precision for score in evaluation.mesh) > 0.99
    line = json.loads(evaluation.to_json())
    assert line["cloud"][1]["threshold"] == 2
    assert "precision" in evaluation.to_table()


def test_every_reference_format_gives_the_same_cameras(out: Path, tmp_path: Path) -> None:
    poses = read_cameras(out)
    strecha = tmp_path / "strecha"
    strecha.mkdir()
    for name, pose in poses.items():
        center = -pose[:, :3].T @ pose[:, 3]
        blocks = (np.eye(3), np.zeros((1, 3)), pose[:, :3].T, center[None], [[640, 480]])
        text = "\n".join(
            " ".join(f"{value!r}" for value in np.asarray(row, float).tolist()) for b in blocks for row in b
        )
        (strecha / f"{name}.jpg.camera").write_text(text)
    document = {"cameras": {f"{n}.jpg": {"R": p[:, :3].tolist(), "t": p[:, 3].tolist()} for n, p in poses.items()}}
    (tmp_path / "gt_cameras.json").write_text(json.dumps(document))
    for reference in (strecha, tmp_path / "gt_cameras.json", out / "cameras.json", out.parent / "twin" / "gt_model"):
        found = read_cameras(reference)
        assert found.keys() == poses.keys()
        assert max(np.abs(found[name] - poses[name]).max() for name in poses) < 1e-9


def test_camera_error_agrees_with_the_judges(out: Path, shared_eval: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, pose in read_cameras(out).items():
        rotation = pose[:, :3].T @ cv2.Rodrigues(rng.normal(size=3) * 0.01)[0]
        center = -pose[:, :3].T @ pose[:, 3] + rng.normal(size=3) * 0.02
        rows = [*np.eye(3), np.zeros(3), *rotation, center, np.array([640, 480])]
        text = "\n".join(" ".join(repr(float(value)) for value in row) for row in rows)
        (tmp_path / f"{name}.jpg.camera").write_text(text)
    theirs = script(shared_eval, "poses.py", out / "sparse", tmp_path)
    ours = evaluate(out, cameras=tmp_path).cameras
    assert ours is not None
    assert ours.registered == theirs["registered"]
    assert 1e3 * ours.position_median == pytest.approx(theirs["pos_mm_median"], abs=1e-3)
    assert 1e3 * ours.position_max == pytest.approx(theirs["pos_mm_max"], abs=1e-3)
    assert ours.rotation_median_deg == pytest.approx(theirs["rot_deg_median"], abs=1e-4)
    assert ours.rotation_max_deg == pytest.approx(theirs["rot_deg_max"], abs=1e-4)


@pytest.mark.slow
def test_rephotography_agrees_with_the_judges(out: Path, shared_eval: Path, tmp_path: Path) -> None:
    photos = out.parent / "photos"
    theirs = script(shared_eval, "rephoto.py", out / "model.glb", out / "sparse", photos, "--width", str(WIDTH))
    ours = rephotography_score(out / "model.glb", read_model(out / "sparse"), photos, WIDTH, tmp_path)
    assert ours.views == theirs["views"]
    for name in ("coverage", "ncc", "score"):
        assert getattr(ours, name) == pytest.approx(theirs[name], abs=1.5e-3)
    assert len(list(tmp_path.iterdir())) == 5


def test_rephotography_of_vertex_colours_and_obj(out: Path) -> None:
    photos = out.parent / "photos"
    glb, obj, ply = (
        rephotography_score(out / name, read_model(out / "sparse"), photos, width_px=WIDTH)
        for name in ("model.glb", "model.obj", "mesh.ply")
    )
    assert obj.score == pytest.approx(glb.score, abs=1e-3)
    assert ply.coverage == pytest.approx(glb.coverage, abs=1e-6)
    assert abs(ply.ncc) < 0.01  # the mesh is plain grey


@pytest.mark.slow
def test_surface_scores_agree_with_the_judges(out: Path, shared_eval: Path) -> None:
    twin = out.parent / "twin"
    cloud, mesh = surface_scores(out, twin)
    for file, ours in (("dense.ply", cloud), ("mesh.ply", mesh)):
        theirs = script(shared_eval, "fscore.py", out / file, twin, "--model", out / "sparse")
        for score in ours:
            assert score.precision == pytest.approx(theirs[f"P@{score.threshold:g}"], abs=0.01)
            assert score.recall == pytest.approx(theirs[f"R@{score.threshold:g}"], abs=0.01)


def test_models_are_read_in_their_own_frame(out: Path, results: Results) -> None:
    textured = results.textured.load()
    for name in ("model.glb", "model.obj"):
        read = read_textured(out / name)
        triangles = read.mesh.vertices_world[read.mesh.faces]
        assert np.array_equal(triangles, textured.mesh.vertices_world[textured.mesh.faces])
        assert np.abs(read.uv - textured.uv).max() < 2e-6
    camera, pose = read_model(out / "sparse")["IMG_0002.jpg"]
    assert camera == results.mapping.scene.cameras[0]
    assert np.abs(pose - results.mapping.scene.images[2].cam_from_world).max() < 1e-12


def test_what_cannot_be_compared_says_so(out: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--cameras"):
        evaluate(out)
    with pytest.raises(InputError, match="no sparse folder"):
        evaluate(tmp_path, cameras=out)
    with pytest.raises(InputError, match="holds no cameras"):
        evaluate(out, cameras=tmp_path)
    with pytest.raises(InputError, match="none of the photographs"):
        evaluate(out, photos=tmp_path)
    with pytest.raises(InputError, match=r"no gt_mesh\.ply"):
        evaluate(out, surface=tmp_path)
    (tmp_path / "other.json").write_text('{"cameras": {"x.jpg": {"R": [[1,0,0],[0,1,0],[0,0,1]], "t": [0,0,0]}}}')
    with pytest.raises(InputError, match="three are needed"):
        evaluate(out, cameras=tmp_path / "other.json")
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(InputError, match="cannot be understood"):
        evaluate(out, cameras=tmp_path / "other.json")
    (tmp_path / "model.glb").write_text("nonsense")
    with pytest.raises(InputError, match="cannot be read"):
        read_textured(tmp_path / "model.glb")


def test_a_mesh_of_known_distance_has_known_precision(tmp_path: Path) -> None:
    from e2e3d.ops.evaluation.surface import ExactSurface, f_score, surface_distances

    plane = Mesh(
        np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32),
        np.zeros((4, 3), np.uint8),
        np.array([[0, 1, 2], [0, 2, 3]], np.int32),
    )
    grid = (np.stack(np.meshgrid(np.arange(50), np.arange(50)), -1).reshape(-1, 2) + 0.5) / 50
    flat = np.column_stack([grid, np.zeros(len(grid))])
    reference = ExactSurface(plane, flat, 0.01)
    near, far = flat + np.array([0, 0, 0.015]), flat[: len(flat) // 2] + np.array([0, 0, 0.5])
    two, four = f_score(np.concatenate([near, far]), reference, (1.0, 2.0))
    assert surface_distances(near[:10], reference) == pytest.approx(1.5, abs=1e-4)  # in footprints
    assert two.precision == two.recall == two.f_score == 0
    assert four.precision == pytest.approx(2 / 3, abs=1e-3)
    assert four.recall == 1
    assert four.f_score == pytest.approx(0.8, abs=1e-3)
