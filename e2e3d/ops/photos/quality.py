"""Measures of one photograph: how sharp, how bright, and what it looks like in 64 bits."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.photo import PhotoProblem

WORKING_SIZE_PX = 1024
"""Longest side at which photographs are measured, so that sizes can be compared."""


@dataclass(frozen=True)
class PhotoMeasures:
    """What :func:`measure_photo` finds.

    Attributes:
        sharpness: variance of the Laplacian (8-bit grey levels squared) where the mask allows.
        exposure: mean luminance in [0, 1] where the mask allows; `contrast` its standard deviation, in [0, 0.5].
        highlight: luminance in [0, 1] that one pixel in 1000 exceeds; `shadow` that one in 1000 stays below.
        thumbprint: 64-bit perceptual hash of the whole picture in hexadecimal.
    """

    sharpness: float
    exposure: float
    contrast: float
    highlight: float
    shadow: float
    thumbprint: str


def measure_photo(image: NDArray[np.uint8], mask: NDArray[np.bool_] | None) -> PhotoMeasures:
    """Measure a photograph.

    Args:
        image: uint8 [H, W, 3] RGB, longest side at most :data:`WORKING_SIZE_PX`.
        mask: bool [H, W], True = use; at least one pixel.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    laplacian = cv2.Laplacian(grey, cv2.CV_16S, ksize=1)
    if mask is None:
        mean, deviation = cv2.meanStdDev(grey)
        _, detail = cv2.meanStdDev(laplacian)
        histogram = cv2.calcHist([grey], [0], None, [256], [0, 256])
    else:
        used = mask.astype(np.uint8)
        mean, deviation = cv2.meanStdDev(grey, mask=used)
        _, detail = cv2.meanStdDev(laplacian, mask=cv2.erode(used, np.ones((3, 3), np.uint8), borderValue=1))
        histogram = cv2.calcHist([grey], [0], used, [256], [0, 256])
    below = np.cumsum(histogram.ravel())
    shadow, highlight = np.searchsorted(below, (0.001 * below[-1], 0.999 * below[-1]))
    return PhotoMeasures(
        sharpness=float(detail[0, 0]) ** 2,
        exposure=float(mean[0, 0]) / 255,
        contrast=float(deviation[0, 0]) / 255,
        highlight=float(highlight) / 255,
        shadow=float(shadow) / 255,
        thumbprint=perceptual_hash(grey),
    )


def perceptual_hash(grey: NDArray[np.uint8]) -> str:
    """64-bit hash, hexadecimal: signs of the lowest 8 x 8 cosine frequencies against their median.

    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010); re-encoded, resized or slightly
    brighter copies differ in few bits.

    Args:
        grey: uint8 [H, W].
    """
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return np.packbits(bits).tobytes().hex()


def hash_distance(first: str, second: str) -> int:
    """Bits in which two perceptual hashes differ."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


def exposure_problems(measures: PhotoMeasures) -> tuple[PhotoProblem, ...]:
    """Problems of brightness: black, white and empty pictures are fatal, dark and bright ones a warning."""
    if measures.highlight < 0.06:
        return (PhotoProblem("too-dark", "The photograph is black. Take it again with more light.", fatal=True),)
    if measures.shadow > 0.98:
        return (PhotoProblem("blown-out", "The photograph is white. Take it again with less exposure.", fatal=True),)
    if measures.contrast < 0.008:
        message = "The photograph shows nothing but one even colour. Take one that shows the object and its texture."
        return (PhotoProblem("blank", message, fatal=True),)
    if measures.exposure < 0.08:
        return (PhotoProblem("dark", "The photograph is very dark; details in it may be missed.", fatal=False),)
    if measures.shadow > 0.8:
        return (PhotoProblem("overexposed", "The photograph is overexposed; it has lost detail.", fatal=False),)
    return ()
