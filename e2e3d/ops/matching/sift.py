"""SIFT keypoints and root-SIFT descriptors of one photograph: OpenCV's, or COLMAP's where little stands out (ADR 21).

Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004; L1-root normalisation after Arandjelovic
and Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.features import Features


@dataclass(frozen=True)
class SiftSettings:
    """How features are searched.

    Attributes:
        max_features: at most so many keypoints, those of the largest scales first.
        peak_threshold: contrast below which a keypoint is noise, in [0, 1].
        faint_peak_threshold: the same for a second, thorough search, where the first finds little.
        wanted_features: with fewer keypoints than this the search is repeated.
        upsample_below_px: what is searched is doubled first when its longest side is at most this.
        normalization: ``L1_ROOT`` or ``L2``.
    """

    max_features: int
    peak_threshold: float
    faint_peak_threshold: float
    wanted_features: int
    upsample_below_px: int
    normalization: str


_BLANK = 20  # with fewer clear keypoints a picture is blank, and faint ones would be noise
_MARGIN_PX = 32
_LAYERS = 4  # of an octave; with three, OpenCV's keypoints repeat less
_COLMAP_LAYERS = 3  # the thresholds are for these


def find_features(image: NDArray[np.uint8], mask: NDArray[np.bool_] | None, settings: SiftSettings) -> Features:
    """Find the features of a photograph; where few stand out, faint ones too.

    Plaster, skin or metal in even light have structure of a few grey levels only, which the usual limit on contrast
    takes for noise; it repeats from view to view all the same, and what is noise finds no match.

    Args:
        image: uint8 [H, W, 3] RGB.
        mask: bool [H, W]; only features on True pixels stay, and only their surroundings are searched.
        settings: of the search.
    """
    assert mask is None or mask.shape == image.shape[:2]
    window = (slice(None), slice(None)) if mask is None else _window(mask)
    part = image[window]
    if part.size == 0:
        return no_features()
    found = _within(extract_fast(part, settings), mask, window)
    if _BLANK <= len(found.keypoints_px) < min(settings.wanted_features, settings.max_features):
        found = _within(extract_faint(part, settings), mask, window)
    corner = np.array([window[1].start or 0, window[0].start or 0, 0, 0], np.float32)
    return Features(found.keypoints_px + corner, found.descriptors, found.colors)


def _within(found: Features, mask: NDArray[np.bool_] | None, window: tuple[slice, ...]) -> Features:
    """The features on True pixels of the mask, of those found in its window."""
    return found if mask is None else drop_masked(found, mask[window])


def _window(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns that hold the mask, with a margin; empty where the mask is."""
    if not mask.any():
        return slice(0, 0), slice(0, 0)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(0, int(rows[0]) - _MARGIN_PX), int(rows[-1]) + 1 + _MARGIN_PX),
        slice(max(0, int(columns[0]) - _MARGIN_PX), int(columns[-1]) + 1 + _MARGIN_PX),
    )


def extract_fast(image: NDArray[np.uint8], settings: SiftSettings) -> Features:
    """OpenCV's features, in pixels of `image` (uint8 [H, W, 3] RGB): a third of the time of COLMAP's.

    OpenCV doubles whatever it searches. What is not to be upsampled is therefore halved before: the finest blur of the
    scale space, 1.6 pixels of `image`, leaves nothing of what that takes away.
    """
    height, width = image.shape[:2]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if not _upsamples(image, settings):
        grey = cv2.resize(grey, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
    detector = cv2.SIFT_create(
        nfeatures=0,  # all of them: OpenCV would keep those of the highest contrast
        nOctaveLayers=_LAYERS,
        contrastThreshold=_COLMAP_LAYERS * settings.peak_threshold,  # of an octave
        edgeThreshold=10.0,
        sigma=1.6,
        descriptorType=cv2.CV_32F,
        enable_precise_upscale=True,
    )
    keypoints, descriptors = detector.detectAndCompute(grey, None)
    if len(keypoints) == 0:
        return no_features()
    found = [(*keypoint.pt, keypoint.size / 2, np.deg2rad(keypoint.angle)) for keypoint in keypoints]
    keypoints_px = np.array(found, np.float32)
    keypoints_px[:, :2] += 0.5  # OpenCV's first pixel has its centre at zero
    keypoints_px *= _scales(width / grey.shape[1], height / grey.shape[0])
    keep = _largest(keypoints_px[:, 2], settings.max_features)
    return _features(image, keypoints_px[keep], _normalized(descriptors[keep], settings.normalization))


def extract_faint(image: NDArray[np.uint8], settings: SiftSettings) -> Features:
    """COLMAP's features, down to the faint threshold, in pixels of `image` (uint8 [H, W, 3] RGB).

    Slower than OpenCV's, they repeat better where there is little contrast. Both kinds match with one another.
    """
    import pycolmap  # seldom needed

    from e2e3d.ops.colmap_log import silence_colmap

    silence_colmap()
    options = pycolmap.FeatureExtractionOptions(num_threads=1, use_gpu=False)
    options.sift.max_num_features = settings.max_features
    options.sift.peak_threshold = min(settings.peak_threshold, settings.faint_peak_threshold)
    options.sift.octave_resolution = _COLMAP_LAYERS
    options.sift.first_octave = -1 if _upsamples(image, settings) else 0
    options.sift.normalization = pycolmap.Normalization(settings.normalization)
    extractor = pycolmap.FeatureExtractor.create(options, pycolmap.Device.cpu)
    grey = np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    keypoints, descriptors = extractor.extract_from_uint8_array(grey)
    if len(keypoints) == 0:
        return no_features()
    keypoints_px = pycolmap.keypoints_to_matrix(keypoints).astype(np.float32)
    keep = _largest(keypoints_px[:, 2], settings.max_features)  # COLMAP stops at a whole octave, half as many again
    return _features(image, keypoints_px[keep], np.array(descriptors.data, np.uint8)[keep])


def _upsamples(image: NDArray[np.uint8], settings: SiftSettings) -> bool:
    assert image.ndim == 3
    assert image.dtype == np.uint8
    return bool(max(image.shape[:2]) <= settings.upsample_below_px)


def _features(image: NDArray[np.uint8], keypoints_px: NDArray[np.float32], descriptors: NDArray[np.uint8]) -> Features:
    return Features(keypoints_px, descriptors, sample_colors(image, keypoints_px))


def _normalized(descriptors: NDArray[np.float32], normalization: str) -> NDArray[np.uint8]:
    """Descriptors [N, 128] of length 512 as whole numbers: as they are (L2), or the roots of their shares (L1_ROOT)."""
    if normalization == "L1_ROOT":
        descriptors = 512.0 * np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1.0))
    return np.asarray(np.minimum(np.rint(descriptors), 255), np.uint8)


def _largest(scales: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Indices of the `count` largest scales [N], ascending; of equal ones the first."""
    return np.sort(np.argsort(-scales, kind="stable")[:count])


def largest_features(features: Features, count: int) -> Features:
    """The `count` features of the largest scales, in their order."""
    kept = _largest(features.keypoints_px[:, 2], count)
    return Features(features.keypoints_px[kept], features.descriptors[kept], features.colors[kept])


def no_features() -> Features:
    """Features of a photograph in which nothing was found."""
    return Features(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8), np.zeros((0, 3), np.uint8))


def sample_colors(image: NDArray[np.uint8], keypoints_px: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colour of the pixel under each keypoint: uint8 [N, 3]."""
    height, width = image.shape[:2]
    x = np.clip(keypoints_px[:, 0].astype(np.int64), 0, width - 1)
    y = np.clip(keypoints_px[:, 1].astype(np.int64), 0, height - 1)
    return image[y, x]


def drop_masked(features: Features, mask: NDArray[np.bool_]) -> Features:
    """Keep the keypoints whose pixel is True in `mask` (bool [H, W], the size that the keypoints are measured in)."""
    height, width = mask.shape
    x = np.clip(features.keypoints_px[:, 0].astype(np.int64), 0, width - 1)
    y = np.clip(features.keypoints_px[:, 1].astype(np.int64), 0, height - 1)
    keep = mask[y, x]
    return Features(features.keypoints_px[keep], features.descriptors[keep], features.colors[keep])


def rescale_keypoints(features: Features, scale_x: float, scale_y: float) -> Features:
    """Express keypoints in an image `scale_x`, `scale_y` times as large.

    The centre of the first pixel is 0.5, 0.5 in both images, so positions scale without a shift.
    """
    return Features(features.keypoints_px * _scales(scale_x, scale_y), features.descriptors, features.colors)


def _scales(scale_x: float, scale_y: float) -> NDArray[np.float32]:
    """Factors of a keypoint's x, y, scale and orientation."""
    return np.array([scale_x, scale_y, np.sqrt(scale_x * scale_y), 1.0], np.float32)
