"""The sample set is deterministic, its ground truth is exact, and its photographs look like photographs."""

from pathlib import Path

import cv2
import numpy as np
import open3d as o3d
import pycolmap
import pytest
from PIL import Image

from e2e3d.data.dense import View
from e2e3d.errors import InputError, SettingsError
from e2e3d.outputs.sample_set import exact_depth, write_sample


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    assert write_sample(folder, count=4, width_px=240) == folder / "images"
    return folder


@pytest.mark.slow
def test_the_same_bytes_each_time(folder: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, count=4, width_px=240)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) == 4 + 4 + 5
    for file in files:
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes(), file


def test_exact_points_project_onto_the_colours_of_the_photographs(folder: Path) -> None:
    model = pycolmap.Reconstruction(str(folder / "gt_model"))
    points = np.asarray(o3d.io.read_point_cloud(str(folder / "gt_points.ply")).points)
    mesh = o3d.t.geometry.TriangleMesh.from_legacy(o3d.io.read_triangle_mesh(str(folder / "gt_mesh.ply")))
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(mesh)
    footprint = float((folder / "gsd.txt").read_text())
    distance = caster.compute_distance(o3d.core.Tensor(points.astype(np.float32))).numpy()
    assert np.percentile(distance, 99) < 0.3 * footprint  # thinning averages neighbours, which cuts corners a little
    for image in model.images.values():
        camera = model.cameras[image.camera_id]
        depth = (image.cam_from_world() * points)[:, 2]
        assert depth.min() > 1
        assert np.median(depth) / camera.focal_length_x == pytest.approx(footprint, rel=0.3)
    K = np.loadtxt(folder / "K.txt")
    assert K[0, 0] == pytest.approx(model.cameras[1].focal_length_x)


def test_photographs_have_a_focal_length_and_a_natural_exposure(folder: Path) -> None:
    for path in sorted((folder / "images").iterdir()):
        exif = Image.open(path).getexif()
        assert exif[0x0110] == "Sample camera"
        assert float(exif.get_ifd(0x8769)[0x920A]) == pytest.approx(36 * 0.95, abs=1e-3)
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert 70 < grey.mean() < 160
        assert grey.std() > 35
        assert (grey == 255).mean() < 0.01


def test_a_set_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="2 photographs"):
        write_sample(tmp_path, count=2)


def test_exact_depth_of_a_view_is_that_of_its_points(folder: Path) -> None:
    width, height = 120, 90
    view = View(
        name="IMG_0002.jpg",
        image_index=0,
        image=np.zeros((height, width, 3), np.uint8),
        mask=None,
        intrinsics_px=np.array([114.0, 114.0, 60.0, 45.0]),
        cam_from_world=np.zeros((3, 4)),  # of the model, not of the set
        depth_range=(1.0, 9.0),
        sources=(),
        source_scores=np.zeros(0, np.float32),
        sparse_px=np.zeros((0, 2), np.float32),
        sparse_depth=np.zeros(0, np.float32),
    )
    depth = exact_depth(folder, view)
    assert (depth.shape, depth.dtype) == ((height, width), np.float32)
    image = next(
        image for image in pycolmap.Reconstruction(str(folder / "gt_model")).images.values() if image.name == view.name
    )
    points = image.cam_from_world() * np.asarray(o3d.io.read_point_cloud(str(folder / "gt_points.ply")).points)
    column, row = (114 * points[:, :2] / points[:, 2:] + (60, 45)).astype(int).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    away = points[inside, 2] / np.maximum(depth[row[inside], column[inside]], 0.01) - 1
    assert np.mean(np.abs(away) < 0.02) > 0.7  # others lie behind something in this view
    assert np.mean(away < -0.02) < 0.03
    with pytest.raises(InputError) as caught:
        exact_depth(folder / "images", view)
    assert caught.value.code == "no-sample"
