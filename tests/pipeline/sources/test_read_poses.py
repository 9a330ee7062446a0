"""Poses from elsewhere: every format says the same, names decide, and what does not fit is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e2e3d.data.given_poses import GivenPose, GivenPoses
from e2e3d.data.photo import CameraGuess, Photo
from e2e3d.data.scene import Camera, Scene
from e2e3d.errors import E2E3DError, InputError, SettingsError
from e2e3d.ops.formats.conversions import to_pycolmap
from e2e3d.outputs.datasets.nerfstudio import transforms_document
from e2e3d.outputs.evaluation.transforms_json import cameras_of_transforms
from e2e3d.pipeline.run import RunOptions, RunRequest
from e2e3d.pipeline.sources.read_poses import match_poses, read_poses
from tests.synthetic import HEIGHT, INTRINSICS, WIDTH, sample_results


@pytest.fixture(scope="module")
def scene() -> Scene:
    return sample_results().mapping.scene


def write_strecha(scene: Scene, folder: Path) -> None:
    for image in scene:
        K, pose = scene.camera_of(image).K, image.cam_from_world
        K[:2, 2] -= 0.5
        rows = [*K, [0, 0, 0], *pose[:, :3].T, image.center_world, [WIDTH, HEIGHT]]
        text = "\n".join(" ".join(repr(float(value)) for value in row) for row in rows)
        (folder / f"{image.name}.camera").write_text(text)


def write_as(kind: str, scene: Scene, folder: Path) -> Path:
    """The cameras of a scene in one format; returns what is given to a run."""
    if kind == "strecha":
        write_strecha(scene, folder)
    elif kind.startswith("transforms"):
        (folder / "transforms.json").write_text(json.dumps(transforms_document(scene, "points.ply")))
        return folder / "transforms.json" if kind == "transforms.json" else folder
    else:
        inside = folder / "sparse" / "0" if kind == "colmap project" else folder
        inside.mkdir(parents=True, exist_ok=True)
        model = to_pycolmap(scene)
        (model.write_text if kind == "colmap text" else model.write_binary)(str(inside))
    return folder


FORMATS = ("colmap text", "colmap binary", "colmap project", "transforms.json", "transforms folder", "strecha", "scene")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_says_the_same(scene: Scene, tmp_path: Path, kind: str) -> None:
    given = read_poses(scene if kind == "scene" else write_as(kind, scene, tmp_path))
    photos, known = match_poses(sample_results().photos[:5], given)
    assert all(photo.usable for photo in photos)
    for image in scene:
        pose = known[image.name]
        np.testing.assert_allclose(pose.cam_from_world, image.cam_from_world, atol=1e-9)
        assert pose.camera is not None
        assert (pose.camera.width_px, pose.camera.height_px) == (WIDTH, HEIGHT)
        np.testing.assert_allclose(pose.camera.params, INTRINSICS, rtol=1e-12)
    assert given.frame == ("upright" if kind == "scene" else "arbitrary")


def test_transforms_state_lenses_for_all_frames_or_for_each() -> None:
    identity = np.eye(4).tolist()
    stated = {"w": 640, "h": 480, "fl_x": 500.0, "cx": 321.0, "k1": 0.1, "p2": 0.01}
    frames = [
        {"file_path": "./images/a.jpg", "transform_matrix": identity},
        {"file_path": "b", "transform_matrix": identity[:3], "fl_x": 400, "fl_y": 410, "k3": 0.2},
        {"file_path": "c.png", "transform_matrix": identity, "camera_model": "OPENCV_FISHEYE", "k4": 0.3},
    ]
    cameras = {name: camera for name, (_, camera) in cameras_of_transforms({**stated, "frames": frames}).items()}
    assert cameras["./images/a.jpg"] == Camera(1, "OPENCV", 640, 480, (500, 500, 321, 240, 0.1, 0, 0, 0.01))
    assert cameras["b"] == Camera(1, "FULL_OPENCV", 640, 480, (400, 410, 321, 240, 0.1, 0, 0, 0.01, 0.2, 0, 0, 0))
    assert cameras["c.png"] == Camera(1, "OPENCV_FISHEYE", 640, 480, (500, 500, 321, 240, 0.1, 0, 0, 0.3))
    pose, camera = cameras_of_transforms({"camera_angle_x": 0.7, "frames": frames[:1]})["./images/a.jpg"]
    assert camera is None
    np.testing.assert_array_equal(pose, np.diag([1.0, -1.0, -1.0, 1.0])[:3])
    with pytest.raises(InputError, match="EQUIRECTANGULAR"):
        cameras_of_transforms({**stated, "camera_model": "EQUIRECTANGULAR", "frames": frames[:1]})


def photo(name: str, **changes: object) -> Photo:
    return replace(Photo(name, "0" * 64, WIDTH, HEIGHT, CameraGuess("one", 300.0, "guess")), **changes)  # type: ignore[arg-type]


CAMERA = Camera(1, "PINHOLE", WIDTH, HEIGHT, INTRINSICS)


def poses(*names: str, camera: Camera | None = CAMERA) -> GivenPoses:
    made = [np.column_stack([np.eye(3), [float(i), 0, 0]]) for i in range(len(names))]
    return GivenPoses(tuple(GivenPose(n, p, camera) for n, p in zip(names, made, strict=True)), "given")


def places(photos: list[Photo], given: GivenPoses) -> dict[str, float]:
    return {name: float(pose.cam_from_world[0, 3]) for name, pose in match_poses(photos, given)[1].items()}


def test_names_are_matched_not_positions() -> None:
    photos = [photo("a.jpg"), photo("b.jpg"), photo("day2/c.jpg")]
    assert places(photos, poses("c.jpg", "x.jpg", "images/b.jpg", "A.PNG")) == {"a.jpg": 3, "b.jpg": 2, "day2/c.jpg": 0}
    assert places(photos, poses("C:\\set\\c.jpg", "./a.jpg", "b"))["day2/c.jpg"] == 0
    both = [photo("1/a.jpg"), photo("2/a.jpg"), photo("b.jpg")]
    assert places(both, poses("2/a.jpg", "1/a.jpg", "b.jpg")) == {"1/a.jpg": 1, "2/a.jpg": 0, "b.jpg": 2}


def test_a_photograph_without_a_pose_is_said_and_left_out() -> None:
    photos, known = match_poses([photo(f"{i}.jpg") for i in range(4)], poses("3.jpg", "0.jpg", "1.jpg"))
    assert [p.usable for p in photos] == [True, True, False, True]
    assert photos[2].problems[0].code == "no-pose"
    assert set(known) == {"0.jpg", "1.jpg", "3.jpg"}


THREE = [photo("a.jpg"), photo("b.jpg"), photo("c.jpg")]


@pytest.mark.parametrize(
    ("photos", "given", "code", "words"),
    [
        (THREE, poses("x.jpg", "y.jpg", "z.jpg"), "pose-names", "there is x.jpg there, and a.jpg here"),
        (THREE, poses("a.jpg", "b.jpg"), "pose-names", "2 of 3 photographs"),
        (THREE, poses(), "pose-names", "0 of 3"),
        ([*THREE, photo("1/d.jpg"), photo("2/d.jpg")], poses("a", "b", "c", "d.jpg"), "pose-names", "are called d.jpg"),
        (THREE, poses("a.jpg", "b.jpg", "1/c.jpg", "2/c.jpg"), "pose-names", "1 photographs and 2 poses"),
        ([*THREE, photo("d.jpg", width_px=240, height_px=320)], poses("a", "b", "c", "d"), "pose-size", "240 x 320"),
        (THREE, poses("a", "b", "c", camera=None), "pose-calibration", "intrinsics"),
    ],
)
def test_what_does_not_fit_is_said(photos: list[Photo], given: GivenPoses, code: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        match_poses(photos, given)
    assert caught.value.code == code
    assert words in f"{caught.value} {caught.value.hint}"


def test_a_given_calibration_stands_for_a_missing_one() -> None:
    known = CameraGuess("one", 300.0, "intrinsics", (1.0, 2.0, 3.0, 4.0))
    _, found = match_poses([replace(p, camera=known) for p in THREE], poses("a", "b", "c", camera=None))
    assert found["b.jpg"].camera == Camera(1, "PINHOLE", WIDTH, HEIGHT, (1.0, 2.0, 3.0, 4.0))


def test_files_that_hold_no_poses_are_refused(tmp_path: Path, scene: Scene) -> None:
    bad = {
        "broken.json": "{",
        "no_frames.json": "[]",
        "no_matrix.json": json.dumps({"frames": [{"file_path": "a.jpg"}]}),
        "scaled.json": json.dumps(
            {"frames": [{"file_path": "a.jpg", "transform_matrix": np.diag([2.0, 2, 2, 1]).tolist()}]}
        ),
    }
    for name, text in bad.items():
        (tmp_path / name).write_text(text)
    codes = {}
    for name in (*bad, ".", "nowhere"):
        with pytest.raises(E2E3DError) as caught:
            read_poses(tmp_path / name)
        codes[name] = caught.value.code
    unknown = dict.fromkeys(("broken.json", "no_frames.json", "no_matrix.json", "."), "unknown-reference")
    assert codes == {**unknown, "scaled.json": "bad-poses", "nowhere": "no-such-path"}
    mirrored = replace(scene.images[0], cam_from_world=np.diag([1.0, 1, -1]) @ scene.images[0].cam_from_world)
    with pytest.raises(InputError, match="mirrored"):
        read_poses(replace(scene, images=(mirrored,)))


def test_poses_have_a_scale_already() -> None:
    with pytest.raises(SettingsError, match="not both"):
        RunRequest(Path("photos"), "preview", {}, RunOptions(scale=2.0), poses=poses("a.jpg"))
