from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from e2e3d.data.features import Features
from e2e3d.ops.matching.sift import SiftSettings, extract_faint, extract_fast, find_features

Extract = Callable[[np.ndarray, SiftSettings], Features]

USUAL, FAINT = 0.02 / 3, 0.02 / 18
BLOB = 6.0


def settings(wanted: int = 3000, upsample_below_px: int = 100) -> SiftSettings:
    return SiftSettings(8192, USUAL, FAINT, wanted, upsample_below_px, "L1_ROOT")


def blobs(contrast: float, count: int = 6, size: int = 400, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian spots of `contrast` grey levels on mid grey, at known centres (first pixel centred at 0.5, 0.5)."""
    steps = np.linspace(45, size - 45, count) + 0.2
    centres = np.array([(x, y) for y in steps for x in steps])
    ys, xs = np.mgrid[0:size, 0:size] + 0.5
    image = np.full((size, size), 128.0) + np.random.default_rng(0).normal(0, noise, (size, size))
    for x, y in centres:
        image += contrast * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * BLOB**2))
    return np.repeat(image.clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2), centres


def misses(found_px: np.ndarray, centres: np.ndarray) -> np.ndarray:
    if len(found_px) == 0:
        return np.full(len(centres), np.inf)
    return np.linalg.norm(found_px[None, :, :2] - centres[:, None], axis=2).min(axis=1)


def test_faint_spots_are_found_beside_some_clear_ones() -> None:
    image, centres = blobs(contrast=4.0)
    clear, _ = blobs(contrast=60.0)
    image[:120] = clear[:120]
    seldom = find_features(image, None, settings(wanted=0))
    found = find_features(image, None, settings())
    faint = centres[:, 1] > 130
    assert misses(seldom.keypoints_px, centres[faint]).min() > 5
    assert misses(found.keypoints_px, centres[faint]).max() < 0.5
    assert misses(found.keypoints_px, centres[~faint & (centres[:, 1] < 110)]).max() < 0.2


def test_the_grain_of_a_blank_wall_is_not_taken_for_features() -> None:
    image, _ = blobs(contrast=0.0, noise=2.0)
    assert len(find_features(image, None, settings(upsample_below_px=1000)).keypoints_px) == 0


@pytest.mark.parametrize("upsample_below_px", [100, 1000])
def test_a_mask_moves_nothing(upsample_below_px: int) -> None:
    image, centres = blobs(contrast=80.0)
    mask = np.zeros((400, 400), bool)
    mask[210:350, 130:300] = True
    inside = mask[centres[:, 1].astype(int), centres[:, 0].astype(int)]
    found = find_features(image, mask, settings(upsample_below_px=upsample_below_px))
    assert inside.sum() >= 4
    assert misses(found.keypoints_px, centres[inside]).max() < 0.1
    assert misses(found.keypoints_px, centres[~inside]).min() > 5


def test_an_empty_mask_leaves_nothing() -> None:
    image, _ = blobs(contrast=80.0)
    assert find_features(image, np.zeros((400, 400), bool), settings()).keypoints_px.shape == (0, 4)


@pytest.mark.parametrize("extract", [extract_fast, extract_faint])
def test_no_more_keypoints_than_asked_for_and_those_of_the_largest_scales(extract: Extract) -> None:
    chance = np.random.default_rng(1)
    noise = chance.integers(0, 255, (60, 80, 3)).astype(np.uint8)
    image = np.kron(noise, np.ones((5, 5, 1), np.uint8))  # corners everywhere, of one size
    everything = extract(image, settings())
    limit = len(everything.keypoints_px) // 3
    few = extract(image, replace(settings(), max_features=limit))
    assert len(few.keypoints_px) == len(few.descriptors) == len(few.colors) == limit
    scales = np.sort(everything.keypoints_px[:, 2])[::-1]
    assert few.keypoints_px[:, 2].min() >= scales[limit - 1]


@pytest.mark.parametrize("upsample_below_px", [100, 1000])
def test_features_of_both_searches_match_with_one_another(upsample_below_px: int) -> None:
    noise = np.random.default_rng(2).normal(128, 90, (400, 500, 3))
    image = cv2.GaussianBlur(noise, (0, 0), 2.0).clip(0, 255).astype(np.uint8)
    fast, faint = (extract(image, settings(0, upsample_below_px)) for extract in (extract_fast, extract_faint))
    a, b = fast.descriptors.astype(np.float32), faint.descriptors.astype(np.float32)
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    nearest, back = squared.argmin(1), squared.argmin(0)
    mutual = back[nearest] == np.arange(len(a))
    away = np.linalg.norm(fast.keypoints_px[mutual, :2] - faint.keypoints_px[nearest[mutual], :2], axis=1)
    assert mutual.sum() > 300
    assert (away < 1).mean() > 0.8
