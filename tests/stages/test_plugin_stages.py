"""A function of one's own as a stage: what it may look like, what its results are called, what it may return."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import e2e3d
from e2e3d.config.depth import DepthConfig
from e2e3d.config.features import FeaturesConfig
from e2e3d.config.matching import MatchingConfig
from e2e3d.data.dense import DepthMap
from e2e3d.data.features import Features
from e2e3d.data.photo import CameraGuess
from e2e3d.data.ref import Ref
from e2e3d.errors import InputError, MachineError, SettingsError
from e2e3d.stages import depth
from e2e3d.stages.features import FeaturesInputs
from e2e3d.stages.known_depth import depth_files
from e2e3d.stages.matching import MatchingInputs, MatchingPhoto
from e2e3d.stages.plugin_adapters import MaskConfig, MaskInputs, PhotoFeatures, PluginConfig
from e2e3d.stages.plugin_functions import nearest
from e2e3d.stages.plugin_stage import PluginStage, find, importable, stage_of
from e2e3d.stages.stage import RunContext
from e2e3d.storage.content_keys import content_key
from tests.ops.stereo.scenes import HEIGHT, WIDTH, plane_depth, plane_views
from tests.pictures import encode
from tests.pipeline import own_functions


def config_of(stage: PluginStage, built_in: object = None) -> PluginConfig:
    return PluginConfig(built_in, stage.source, stage.settings)


def run(stage: PluginStage, inputs: object, built_in: object):
    return stage.run(inputs, config_of(stage, built_in), RunContext())


def key(stage: PluginStage) -> str:
    return content_key(stage, "the same inputs", config_of(stage))


@pytest.mark.parametrize(
    ("kind", "function", "says"),
    [
        ("features", lambda image: None, "takes (image)"),
        ("matching", lambda first, second, third: None, "takes (first, second, third)"),
        ("depth", lambda view, sources, *, steps: None, "needs a value for steps"),
        ("masks", lambda image, *, steps=[1]: None, "the setting steps=[1], whose content has no name"),
        ("masks", partial(lambda image, *, steps=1: None, step=2), "has no setting step"),
        ("masks", partial(lambda image, other: None, 1), "has positional arguments bound to it"),
        ("masks", 7, "7 is no function"),
    ],
)
def test_another_signature_is_refused_with_the_one_that_fits(kind, function, says: str) -> None:
    with pytest.raises(SettingsError, match=r"f\(") as caught:
        stage_of(kind, function)
    assert caught.value.code == "bad-plugin"
    assert says in caught.value.message


def test_results_are_named_by_what_they_depend_on() -> None:
    def made(version: int, name: str | None = None):
        return e2e3d.plugin(version, name=name)(lambda view, sources, *, steps=1: None)

    one = stage_of("depth", made(1))
    assert one.name == "depth-lambda"
    assert key(one) == key(stage_of("depth", made(1)))
    assert key(one) == key(stage_of("depth", partial(made(1), steps=1)))
    others = [made(2), made(1, "Other_Name"), partial(made(1), steps=2)]
    assert len({key(one), *(key(stage_of("depth", other)) for other in others)}) == 4
    assert stage_of("depth", made(1, "Other_Name")).name == "depth-other-name"


def test_without_a_version_the_text_and_what_it_captured_are_one() -> None:
    def made(offset: object):
        return lambda image: image[..., 0] > offset

    def other(offset: object):
        return lambda image: image[..., 1] > offset

    assert key(stage_of("masks", made(5))) == key(stage_of("masks", made(5)))
    assert key(stage_of("masks", made(5))) != key(stage_of("masks", made(6)))
    assert key(stage_of("masks", made(5))) != key(stage_of("masks", other(5)))
    with pytest.raises(SettingsError, match="version") as caught:
        stage_of("masks", made([5]))
    assert caught.value.code == "plugin-without-version"
    namespace: dict[str, object] = {}
    exec("def typed(image): return image[..., 0] > 1", namespace)
    with pytest.raises(SettingsError, match=r"e2e3d\.plugin\(version=1\)"):
        stage_of("masks", namespace["typed"])  # type: ignore[arg-type]


def test_other_processes_find_what_a_module_holds() -> None:
    stage = stage_of("depth", partial(own_functions.where))
    assert find(stage.path).function is own_functions.where
    assert importable(own_functions.where)
    assert not importable(lambda view: None)
    with pytest.raises(MachineError, match="cannot import gone of tests") as caught:
        find("depth=tests.pipeline.own_functions:gone")
    assert caught.value.code == "plugin-missing"


def photograph() -> tuple[np.ndarray, FeaturesInputs]:
    image = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
    mask = np.zeros((60, 80), np.uint8)
    mask[:, 40:] = 255
    return image, FeaturesInputs(Ref.of(encode(image, "PNG")), Ref.of(encode(mask, "PNG")), 80, 60)


def test_features_are_those_inside_the_mask_in_pixels_of_the_photograph() -> None:
    image, inputs = photograph()
    seen = {}

    @e2e3d.plugin(version=1)
    def found(picture, usable):
        seen.update(picture=picture, usable=usable)
        return np.array([[40.5, 20.5], [10.5, 20.5]]), np.eye(2, 7)

    made = run(stage_of("features", found), inputs, FeaturesConfig(max_size_px=64))
    assert seen["picture"].shape == (48, 64, 3)
    assert seen["usable"].sum() == 48 * 32
    assert made.keypoints_px.tolist() == [[40.5 * 1.25, 20.5 * 1.25, 1.25, 0.0]]
    assert made.descriptors.tolist() == np.eye(2, 7)[:1].tolist()
    assert made.colors.shape == (1, 3)
    np.testing.assert_array_equal(image.shape, (60, 80, 3))


@pytest.mark.parametrize(
    "wrong", [None, (1, 2), (np.zeros((3, 3)), np.zeros((3, 8))), (np.zeros((3, 2)), np.zeros((2, 8)))]
)
def test_what_is_no_pair_of_features_is_refused(wrong) -> None:
    stage = stage_of("features", e2e3d.plugin(1, name="odd")(lambda image, mask: wrong))
    with pytest.raises(SettingsError, match=r"Return \(keypoints, descriptors\)") as caught:
        run(stage, photograph()[1], FeaturesConfig())
    assert caught.value.code == "bad-plugin-result"


def planar_pair(rng: np.random.Generator) -> MatchingInputs:
    """Sixty points of space in two photographs of 400 x 300 pixels, of the second in reversed order."""
    points = rng.uniform((-2, -1.5, 4), (2, 1.5, 8), (60, 3))
    photos = []
    for index, shift in ((2, 0.0), (5, 0.7)):
        seen = points - (shift, 0, 0)
        px = 300 * seen[:, :2] / seen[:, 2:] + (200, 150)
        whole = np.concatenate([px, np.ones((60, 2))], 1).astype(np.float32)[:: -1 if shift else 1]
        found = Features(whole, np.zeros((60, 5), np.float32), np.zeros((60, 3), np.uint8))
        photos.append(MatchingPhoto(index, Ref.of(found), CameraGuess("one", 300.0, "exif"), 400, 300))
    return MatchingInputs(((2, 5),), tuple(photos))


def test_matches_are_verified_and_wrong_ones_dropped() -> None:
    def match(first: PhotoFeatures, second: PhotoFeatures):
        assert (first.width_px, second.height_px, first.descriptors.shape) == (400, 300, (60, 5))
        right = np.stack([np.arange(60), np.arange(60)[::-1]], 1)
        right[:8, 1] = (right[:8, 1] + 20) % 60  # wrong ones
        return right

    block = run(stage_of("matching", e2e3d.plugin(1)(match)), planar_pair(np.random.default_rng(3)), MatchingConfig())
    assert block.pairs.tolist() == [[2, 5]]
    assert block.candidates.tolist() == [60]
    right = block.matches[:, 0] + block.matches[:, 1] == 59
    assert right.sum() == 52
    assert (~right).sum() <= 3


@pytest.mark.parametrize("wrong", [np.array([[0, 60]]), np.array([[-1, 0]]), np.zeros((3, 2)), np.zeros((2, 3), int)])
def test_matches_of_no_keypoints_are_refused(wrong) -> None:
    stage = stage_of("matching", e2e3d.plugin(1, name="odd")(lambda first, second: wrong))
    with pytest.raises(SettingsError, match="indices of matching keypoints"):
        run(stage, planar_pair(np.random.default_rng(3)), MatchingConfig())


def test_nearest_matches_what_is_clearly_alike() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(3000, 16))
    second = 5 * first[::-1] + rng.normal(0, 0.05, first.shape)
    second[7] = first[100]
    sides = [PhotoFeatures(np.zeros((len(side), 4), np.float32), side, 10, 10) for side in (first, second)]
    matches = nearest(*sides)
    assert (matches.sum(axis=1) == 2999).mean() > 0.99
    assert len(matches) > 2900
    assert len(nearest(sides[0], PhotoFeatures(np.zeros((1, 4), np.float32), first[:1], 10, 10))) == 0


def depth_inputs() -> depth.DepthInputs:
    reference, *sources = (Ref.of(view) for view in plane_views())
    return depth.DepthInputs(reference, tuple(sources))


def test_depth_of_ones_own_gets_normals_of_its_slopes() -> None:
    def known(view, sources):
        assert len(sources) == 2
        exact = plane_depth()
        exact[0, 0] = np.nan
        return exact

    made = run(stage_of("depth", e2e3d.plugin(1)(known)), depth_inputs(), DepthConfig())
    assert isinstance(made, DepthMap)
    assert made.depth[0, 0] == made.confidence[0, 0] == 0
    normal = -np.array([0.10, 0.06, 0.24]) / np.linalg.norm([0.10, 0.06, 0.24])
    np.testing.assert_allclose(made.normal_cam[20:-20, 20:-20], np.broadcast_to(normal, (56, 88, 3)), atol=1e-3)
    for wrong in (np.ones((3, 3)), "deep", np.ones(4)):
        with pytest.raises(SettingsError, match="Return"):
            run(stage_of("depth", e2e3d.plugin(1)(lambda view, sources, w=wrong: w)), depth_inputs(), DepthConfig())


def test_a_depth_to_start_from_saves_sweeps() -> None:
    """Of a tenth of the size and 2 % noise; the views have no sparse points."""
    coarse = plane_depth()[5::10, 5::10]
    coarse *= 1 + np.random.default_rng(4).normal(0, 0.02, coarse.shape)
    few, inputs = DepthConfig(coarsest_px=64, sweeps=(2, 1, 1)), depth_inputs()

    def good(made: DepthMap) -> float:
        return float(np.mean(np.abs(made.depth / plane_depth() - 1) < 5e-3))

    nowhere = good(run(stage_of("depth_start", e2e3d.plugin(1)(lambda view: np.zeros((2, 2)))), inputs, few))
    assert nowhere == good(depth.run(inputs, few, RunContext()))
    started = good(run(stage_of("depth_start", e2e3d.plugin(1)(lambda view: coarse)), inputs, few))
    assert started > nowhere + 0.1
    assert started > good(depth.run(inputs, DepthConfig(coarsest_px=64), RunContext())) - 0.03
    wrong = good(run(stage_of("depth_start", e2e3d.plugin(1)(lambda view: 0.6 * coarse)), inputs, few))
    assert wrong > 0.8 * nowhere


def test_depth_from_files_is_in_any_unit(tmp_path: Path) -> None:
    column, row = np.meshgrid(np.arange(4, WIDTH, 10), np.arange(4, HEIGHT, 10))
    points_px = np.stack([column.ravel(), row.ravel()], 1) + np.float32(0.5)
    known = plane_depth()[row.ravel(), column.ravel()].astype(np.float32)
    view = replace(plane_views()[0], sparse_px=points_px.astype(np.float32), sparse_depth=known)
    (tmp_path / "sub").mkdir()
    np.save(tmp_path / f"{view.name}.npy", 1000 * plane_depth()[::2, ::2])
    partly = depth_files(tmp_path)
    np.testing.assert_allclose(partly(view), plane_depth()[::2, ::2], rtol=0.02)
    assert not partly(plane_views()[0]).any()  # no point says what the unit is
    before = stage_of("depth_start", partly)
    np.save(tmp_path / f"{view.name}.npy", plane_depth())
    assert key(before) != key(stage_of("depth_start", depth_files(tmp_path)))
    (tmp_path / f"{view.name}.npy").write_bytes(b"nothing")
    with pytest.raises(InputError) as caught:
        depth_files(tmp_path)(view)
    assert caught.value.code == "bad-depth-file"
    with pytest.raises(InputError, match="holds no depth"):
        depth_files(tmp_path / "sub")


def test_a_mask_has_the_size_of_the_picture() -> None:
    image, _ = photograph()
    inputs = MaskInputs(Ref.of(encode(image, "PNG")), None)
    made = run(stage_of("masks", e2e3d.plugin(1)(lambda picture: picture[..., 0])), inputs, MaskConfig())
    np.testing.assert_array_equal(made.usable, image[..., 0] > 0)
    with pytest.raises(SettingsError, match=r"a mask \[3\]"):
        run(stage_of("masks", e2e3d.plugin(1)(lambda picture: np.ones(3))), inputs, MaskConfig())
