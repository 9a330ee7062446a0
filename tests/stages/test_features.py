import cv2
import numpy as np
import pytest

from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.stages import features
from e2e3d.stages.stage import RunContext

BLOB = 24


def blobs(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Dark Gaussian spots at known centres (first pixel centred at 0.5, 0.5)."""
    centres = np.array([(x, y) for x in range(100, width - 60, 97) for y in range(110, height - 60, 101)]) + 0.3
    ys, xs = np.mgrid[0:height, 0:width] + 0.5
    image = np.full((height, width), 230.0)
    for x, y in centres:
        image -= 180 * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * BLOB**2 / 4))
    return np.repeat(image.clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2), centres


def png(image: np.ndarray) -> Ref[bytes]:
    return Ref.of(cv2.imencode(".png", image)[1].tobytes())


@pytest.mark.parametrize("max_size_px", [1000, 500, 400])
def test_positions_are_exact_in_the_full_photograph(max_size_px: int) -> None:
    image, centres = blobs(1000, 800)
    config = features.FeaturesConfig(max_size_px=max_size_px, upsample_below_px=450)
    found = features.run(features.FeaturesInputs(png(image), None, 1000, 800), config, RunContext())
    nearest = np.linalg.norm(found.keypoints_px[None, :, :2] - centres[:, None], axis=2).min(axis=1)
    assert nearest.max() < 0.15
    assert found.descriptors.shape == (len(found.keypoints_px), 128)


def test_a_photograph_of_12_bits_has_the_features_of_8() -> None:
    """Also a dark one, whose samples alone would be taken for 10 bits."""
    image, _ = blobs(1000, 800)
    for scale, level in ((4095 / 255, None), (4095 / 255, 4095), (1020 / 255, 4095)):
        deep = np.rint(image * scale).astype(np.uint16)
        eight = np.rint(deep * (255 / 4095)).astype(np.uint8)
        inputs = (
            features.FeaturesInputs(png(deep), None, 1000, 800, level),
            features.FeaturesInputs(png(eight), None, 1000, 800),
        )
        found, expected = (features.run(each, features.FeaturesConfig(), RunContext()) for each in inputs)
        np.testing.assert_array_equal(found.keypoints_px, expected.keypoints_px)


def test_nothing_outside_the_mask_stays() -> None:
    image, _ = blobs(1000, 800)
    mask = np.zeros((800, 1000), np.uint8)
    mask[:, 500:] = 255
    inputs = features.FeaturesInputs(png(image), png(mask), 1000, 800)
    found = features.run(inputs, features.FeaturesConfig(max_size_px=500), RunContext())
    assert len(found.keypoints_px) > 10
    assert found.keypoints_px[:, 0].min() >= 499


def test_a_blank_photograph_has_no_features() -> None:
    inputs = features.FeaturesInputs(png(np.full((300, 400, 3), 200, np.uint8)), None, 400, 300)
    found = features.run(inputs, features.FeaturesConfig(), RunContext())
    assert found.keypoints_px.shape == (0, 4)
    assert found.descriptors.shape == (0, 128)
    assert found.colors.shape == (0, 3)


def test_colours_are_those_of_the_photograph() -> None:
    image, _ = blobs(600, 500)
    image = (image * np.array([1.0, 0.5, 0.25])).astype(np.uint8)[..., ::-1]  # OpenCV writes BGR
    found = features.run(features.FeaturesInputs(png(image), None, 600, 500), features.FeaturesConfig(), RunContext())
    assert np.abs(found.colors[:, 0] / 2 - found.colors[:, 1]).max() <= 1


def test_the_number_of_threads_changes_nothing() -> None:
    noise = np.random.default_rng(3).normal(128, 60, (500, 700, 3))
    image = png(cv2.GaussianBlur(noise, (0, 0), 1.5).clip(0, 255).astype(np.uint8))
    found = []
    usual = cv2.getNumThreads()
    try:
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            inputs = features.FeaturesInputs(image, None, 700, 500)
            found.append(features.run(inputs, features.FeaturesConfig(), RunContext("cpu", threads)))
    finally:
        cv2.setNumThreads(usual)
    assert len(found[0].keypoints_px) > 500
    np.testing.assert_array_equal(found[0].keypoints_px, found[1].keypoints_px)
    np.testing.assert_array_equal(found[0].descriptors, found[1].descriptors)


@pytest.mark.parametrize("wrong", [{"max_size_px": 10}, {"max_features": 1}, {"peak_threshold": 0.0}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        features.FeaturesConfig(**wrong)
