"""What an export leaves on disk, read back by other programs, and what happens when the machine refuses."""

import errno
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import open3d as o3d
import pycolmap
import pyproj
import pytest
import trimesh

from e2e3d.data.ref import Ref
from e2e3d.data.run_results import Results
from e2e3d.data.scene import Georeference
from e2e3d.errors import InputError, MachineError
from e2e3d.ops.geo.geodesy import wgs84_from_local
from e2e3d.ops.sfm import colmap_model
from e2e3d.ops.sfm.colmap_model import scene_to_reconstruction
from e2e3d.outputs import export
from e2e3d.outputs.export import export_results
from e2e3d.outputs.manifest import read_manifest
from e2e3d.outputs.tiling import streamed_files
from e2e3d.outputs.tiling.streamed_files import upright_transform
from e2e3d.storage.atomic_files import atomic_file
from tests.synthetic import FOCAL, HEIGHT, WIDTH, facts, sample_results


@pytest.fixture(scope="module")
def results() -> Results:
    return sample_results()


@pytest.fixture(scope="module")
def out(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "out"
    export_results(folder, results, facts(), depth=True)
    return folder


def test_sparse_poses_look_at_the_glb_with_no_further_transform(results: Results, out: Path) -> None:
    model = trimesh.load_scene(out / "model.glb", process=False).to_geometry()
    reconstruction = pycolmap.Reconstruction(str(out / "sparse"))
    page = results.textured.load().pages[0]
    for image in reconstruction.images.values():
        view = results.views[image.image_id - 1].load()
        assert image.name == view.name
        pixels = image.cam_from_world() * np.asarray(model.vertices)
        x, y = (reconstruction.cameras[image.camera_id].img_from_cam(pixels)).T
        expected_cam = model.vertices @ view.cam_from_world[:, :3].T + view.cam_from_world[:, 3]
        expected = expected_cam[:, :2] / expected_cam[:, 2:] * FOCAL + (WIDTH / 2, HEIGHT / 2)
        ahead = expected_cam[:, 2] > 0.1
        assert np.abs(np.stack([x, y], 1) - expected)[ahead].max() < 1e-6
    texture = np.asarray(model.visual.material.baseColorTexture.convert("RGB"))
    assert texture.shape == page.shape
    assert np.abs(texture.astype(int) - page).mean() < 4


def test_sparse_model_has_tracks_rigs_and_frames(results: Results, out: Path) -> None:
    names = {file.name for file in (out / "sparse").iterdir()}
    assert names == {"cameras.bin", "images.bin", "points3D.bin", "rigs.bin", "frames.bin"}
    reconstruction = pycolmap.Reconstruction(str(out / "sparse"))
    scene = results.mapping.scene
    assert reconstruction.num_points3D() == len(scene.points_world)
    assert reconstruction.compute_num_observations() == len(scene.observation_px)


def test_clouds_and_meshes_open_elsewhere(results: Results, out: Path) -> None:
    cloud = results.cloud.load()
    assert len(o3d.io.read_point_cloud(str(out / "dense.ply")).points) == len(cloud.points_world)
    assert len(o3d.io.read_triangle_mesh(str(out / "mesh.ply")).triangles) == len(results.mesh.load().faces)
    assert len(trimesh.load(out / "model.obj", process=False).faces) == len(results.mesh.load().faces)


def test_depth_files_hold_exact_values(results: Results, out: Path) -> None:
    views = json.loads((out / "depth" / "views.json").read_bytes())["views"]
    assert [view["name"] for view in views] == [ref.load().name for ref in results.views]
    for entry, ref in zip(views, results.depths, strict=True):
        assert np.array_equal(cv2.imread(str(out / "depth" / entry["file"]), cv2.IMREAD_UNCHANGED), ref.load().depth)


def test_manifest_names_every_file_with_its_hash(out: Path) -> None:
    manifest = read_manifest(out)
    on_disk = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} - {"manifest.json"}
    assert {file.path for file in manifest.outputs} == on_disk
    for file in manifest.outputs:
        assert hashlib.sha256((out / file.path).read_bytes()).hexdigest() == file.sha256
    states = {photo.name: (photo.state, photo.code) for photo in manifest.photographs}
    assert states["IMG_0000.jpg"] == ("registered", "")
    assert states["other side.jpg"] == ("left_out", "no-overlap")
    assert states["torn.jpg"] == ("rejected", "unreadable")
    assert [stage.stage for stage in manifest.stages] == ["features", "depth", "export"]
    assert manifest.stages[1].cpu_s == 38.0
    assert manifest.counts.registered == 5
    assert manifest.unit == "arbitrary"
    assert manifest.libraries["pycolmap"]


def test_georeferenced_results_get_a_laz_and_positions(results: Results, tmp_path: Path) -> None:
    earth = Georeference((47.3769, 8.5417, 450.0), 32632, (465_408.0, 5_247_095.0, 450.0), 0.4)
    scene = replace(results.mapping.scene, frame="georeferenced", georeference=earth)
    paths = export_results(tmp_path, replace(results, mapped=Ref.of(replace(results.mapping, scene=scene))), facts())
    assert paths.laz is not None
    assert paths.laz.stat().st_size > 1000
    manifest = read_manifest(tmp_path)
    assert manifest.unit == "metre"
    assert manifest.georeference is not None
    assert manifest.georeference["origin_wgs84"] == [47.3769, 8.5417, 450.0]
    assert json.loads(paths.cameras.read_bytes())["images"][0]["wgs84"]["latitude_deg"] == pytest.approx(
        47.3769, abs=1e-3
    )


def test_tiles_lie_in_the_frame_of_the_model_and_their_place_on_the_earth_is_apart(
    results: Results, tmp_path: Path
) -> None:
    earth = Georeference((47.3769, 8.5417, 450.0), 32632, (465_408.0, 5_247_095.0, 450.0), 0.4)
    scene = replace(results.mapping.scene, frame="georeferenced", georeference=earth)
    placed = replace(results, mapped=Ref.of(replace(results.mapping, scene=scene)))
    paths = export_results(tmp_path, placed, facts(), tiles=True)
    assert paths.tileset is not None
    assert paths.copc is not None
    names = {file.path for file in read_manifest(tmp_path).outputs}
    assert {"tiles/tileset.json", "tiles/tree/r.glb", "tiles/georeferenced.json", "dense.copc.laz"} <= names
    tileset = json.loads(paths.tileset.read_bytes())
    assert "transform" not in tileset["root"]  # shared models do not say where they are
    on_earth = json.loads((paths.tileset.parent / "georeferenced.json").read_bytes())["root"]
    assert on_earth["content"]["uri"] == "tileset.json"
    transform = np.array(on_earth["transform"]).reshape(4, 4).T
    to_geodetic = pyproj.Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True)
    found = to_geodetic.transform(*(transform @ [100, 200, 50, 1])[:3])
    latitude, longitude, height = wgs84_from_local(np.array([[100, 200, 50]]), earth)[0]
    assert found == pytest.approx((longitude, latitude, height), abs=1e-6)


def test_models_without_an_upright_frame_stand_upright_as_tiles(results: Results) -> None:
    scene = replace(results.mapping.scene, frame="arbitrary")
    turn = upright_transform(scene)
    assert turn is not None
    assert turn[:3, :3] @ turn[:3, :3].T == pytest.approx(np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1)
    tops = [-(turn[:3, :3] @ image.cam_from_world[1, :3])[2] for image in scene.images]
    assert min(tops) > 0.5
    assert upright_transform(replace(scene, frame="upright")) is None


@pytest.mark.slow
def test_what_is_too_large_for_one_file_is_tiled_by_itself(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = export_results(tmp_path, results, facts())
    assert (paths.tileset, paths.copc) == (None, None)
    monkeypatch.setattr(streamed_files, "LARGE_FACES", len(results.textured.load().mesh.faces))
    monkeypatch.setattr(streamed_files, "LARGE_POINTS", len(results.cloud.load().points_world))
    paths = export_results(tmp_path, results, facts())
    assert paths.tileset is not None
    assert paths.copc is not None
    assert export_results(tmp_path, results, facts(), tiles=False).tileset is None
    assert not [path for path in (tmp_path / "tiles").rglob("*") if path.is_file()]


def test_exporting_again_replaces_and_removes_what_is_no_longer_part(results: Results, tmp_path: Path) -> None:
    first = export_results(tmp_path, results, facts(), depth=True)
    (tmp_path / "mine.txt").write_text("the user's own")
    second = export_results(tmp_path, results, facts())
    assert second.depth is None
    assert first.depth is not None
    assert not list(first.depth.glob("*"))
    assert (tmp_path / "mine.txt").exists()


def test_models_are_the_same_each_time(results: Results, out: Path, tmp_path: Path) -> None:
    export_results(tmp_path, results, facts())
    for name in ("model.glb", "model.obj", "dense.ply", "mesh.ply", "cameras.json", "report.html"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes(), name


def test_a_full_disk_is_a_machine_error_and_leaves_no_manifest(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_results(tmp_path, results, facts())

    def no_space(file: BinaryIO, *_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export, "write_glb", no_space)
    with pytest.raises(MachineError, match="No space") as error:
        export_results(tmp_path, results, facts())
    assert error.value.code == "disk-full"
    assert not (tmp_path / "manifest.json").exists()
    assert not list(tmp_path.rglob("*.partial"))


def test_a_truncated_sparse_model_is_noticed(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Truncated:
        def write_binary(self, folder: str) -> None:
            scene_to_reconstruction(results.mapping.scene).write_binary(folder)
            points = Path(folder) / "points3D.bin"
            points.write_bytes(points.read_bytes()[:5000])

    monkeypatch.setattr(colmap_model, "scene_to_reconstruction", lambda _: Truncated())
    with pytest.raises(MachineError) as error:
        export_results(tmp_path, results, facts())
    assert error.value.code == "disk-full"
    assert not list((tmp_path / "sparse").iterdir())


def test_a_file_in_the_way_of_the_folder_is_a_machine_error(results: Results, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(MachineError, match="out"):
        export_results(tmp_path / "out", results, facts())


def test_no_permission_is_a_machine_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(MachineError) as error, atomic_file(tmp_path / "a" / "b"):
        pass
    assert error.value.code == "no-permission"


def test_an_interrupted_file_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with atomic_file(path) as file:
            file.write(b"new")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_without_a_result_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished result"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(InputError, match="format 99"):
        read_manifest(tmp_path)
