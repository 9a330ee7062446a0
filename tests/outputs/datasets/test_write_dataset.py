"""Data sets for other programs, read back by COLMAP and checked by reprojection."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pycolmap
import pytest

from e2e3d.data.ref import Ref
from e2e3d.data.run_results import Results
from e2e3d.data.scene import Camera, Scene
from e2e3d.errors import E2E3DError
from e2e3d.ops.photos.pinhole_scene import pinhole_scene
from e2e3d.ops.photos.undistortion import image_from_normalised
from e2e3d.outputs.datasets.write_dataset import Layout, write_dataset
from tests.synthetic import sample_results

DISTORTED = (-0.12, 0.03)


@pytest.fixture(scope="module")
def results() -> Results:
    return sample_results(3, 12)


@pytest.fixture(scope="module")
def distorted(results: Results) -> Results:
    mapping = results.mapping
    return dataclasses.replace(
        results, mapped=Ref.of(dataclasses.replace(mapping, scene=with_distortion(mapping.scene)))
    )


def with_distortion(scene: Scene) -> Scene:
    """The same scene taken through a lens that distorts: observations are where that lens shows the points."""
    cameras = tuple(
        Camera(c.camera_id, "RADIAL", c.width_px, c.height_px, (c.K[0, 0], c.K[0, 2], c.K[1, 2], *DISTORTED))
        for c in scene.cameras
    )
    scene = dataclasses.replace(scene, cameras=cameras)
    observed = np.zeros_like(scene.observation_px)
    for index, image in enumerate(scene.images):
        own = scene.observation_image == index
        points = scene.points_world[scene.observation_point[own]]
        seen = points @ image.cam_from_world[:, :3].T + image.cam_from_world[:, 3]
        observed[own] = image_from_normalised(scene.camera_of(image), seen[:, :2] / seen[:, 2:])
    return dataclasses.replace(scene, observation_px=observed)


def reprojection_px(model: pycolmap.Reconstruction) -> np.ndarray:
    found = []
    for point in model.points3D.values():
        for element in point.track.elements:
            image = model.images[element.image_id]
            found.append(image.project_point(point.xyz) - image.points2D[element.point2D_idx].xy)
    return np.linalg.norm(found, axis=1)


def test_observations_move_with_the_lens(results: Results) -> None:
    scene = with_distortion(results.mapping.scene)
    pinholes, sizes = pinhole_scene(scene)
    assert 0.5 * len(scene.observation_px) < len(pinholes.observation_px) <= len(scene.observation_px)
    for index, image in enumerate(pinholes.images):
        own = pinholes.observation_image == index
        points = pinholes.points_world[pinholes.observation_point[own]]
        seen = points @ image.cam_from_world[:, :3].T + image.cam_from_world[:, 3]
        px = seen[:, :2] / seen[:, 2:] * np.diag(pinholes.camera_of(image).K)[:2] + pinholes.camera_of(image).K[:2, 2]
        np.testing.assert_allclose(px, pinholes.observation_px[own], atol=0.01)
    assert set(sizes) == {camera.camera_id for camera in scene.cameras}


@pytest.mark.parametrize(
    ("layout", "sparse"), [("colmap-text", "sparse"), ("openmvs", "sparse"), ("gsplat", "sparse/0")]
)
def test_colmap_reads_it_and_the_points_project_to_their_observations(
    distorted: Results, layout: Layout, sparse: str, tmp_path: Path
) -> None:
    folder = write_dataset(distorted, layout, tmp_path / "set")
    model = pycolmap.Reconstruction(str(folder / sparse))
    scene = distorted.mapping.scene
    assert {image.name for image in model.images.values()} == {image.name for image in scene.images}
    assert {camera.model_name for camera in model.cameras.values()} == {"PINHOLE"}
    assert reprojection_px(model).max() < 0.01
    for image in model.images.values():
        picture = cv2.imread(str(folder / "images" / image.name))
        camera = model.cameras[image.camera_id]
        assert picture.shape[:2] == (camera.height, camera.width)
    np.testing.assert_allclose(
        model.find_image_with_name(scene.images[0].name).cam_from_world().matrix(),
        scene.images[0].cam_from_world,
        atol=1e-12,
    )


def test_nerfstudio_frames_project_the_same_points(results: Results, tmp_path: Path) -> None:
    folder = write_dataset(results, "nerfstudio", tmp_path / "set")
    document = json.loads((folder / "transforms.json").read_text())
    scene = results.mapping.scene
    assert (folder / document["ply_file_path"]).is_file()
    for frame, image in zip(document["frames"], scene.images, strict=True):
        world_from_cam = np.array(frame["transform_matrix"])
        own = scene.observation_image == scene.images.index(image)
        points = scene.points_world[scene.observation_point[own]]
        x, y, z = (np.c_[points, np.ones(len(points))] @ np.linalg.inv(world_from_cam).T)[:, :3].T
        assert (z < 0).all()  # it looks along -z
        px = np.stack([frame["fl_x"] * x / -z + frame["cx"], frame["fl_y"] * -y / -z + frame["cy"]], 1)
        assert np.linalg.norm(px - scene.observation_px[own], axis=1).max() < 0.001
        assert (folder / frame["file_path"]).is_file()


def test_photographs_stay_as_they_are_where_lenses_may_distort(results: Results, tmp_path: Path) -> None:
    folder = write_dataset(results, "nerfstudio", tmp_path / "set", undistorted=False)
    for photo, data in zip(results.photos, results.photo_files, strict=True):
        if photo.name in results.mapping.scene:
            assert (folder / "images" / photo.name).read_bytes() == data.load()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"layout": "openmvg"}, "bad-setting"),
        ({"layout": "gsplat", "undistorted": False}, "bad-setting"),
        ({"layout": "nerfstudio", "undistorted": False, "max_size_px": 100}, "bad-setting"),
    ],
)
def test_what_does_not_go_together_is_refused(
    results: Results, arguments: dict[str, object], code: str, tmp_path: Path
) -> None:
    with pytest.raises(E2E3DError) as caught:
        write_dataset(results, folder=tmp_path / "set", **arguments)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert not (tmp_path / "set").exists()


def test_a_folder_that_holds_something_is_left_alone(results: Results, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(E2E3DError) as caught:
        write_dataset(results, "gsplat", tmp_path)
    assert caught.value.code == "folder-not-empty"
