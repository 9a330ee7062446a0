"""Images as bytes: JPEG for what people look at, PNG and TIFF for exact values."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def encode_jpeg(image: NDArray[np.uint8], quality: int = 92) -> bytes:
    """JPEG bytes of a uint8 [H, W, 3] RGB image; full chroma resolution from quality 90."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if quality >= 90:
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return _encode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """PNG bytes of a uint8 [H, W, 3] RGB image."""
    return _encode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [])


def encode_png16(image: NDArray[np.uint16]) -> bytes:
    """PNG bytes of a uint16 [H, W] image."""
    return _encode(".png", image, [])


def encode_float_tiff(image: NDArray[np.float32]) -> bytes:
    """TIFF bytes of a float32 [H, W] image, losslessly compressed."""
    return _encode(".tiff", image, [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_ADOBE_DEFLATE])


def _encode(extension: str, image: NDArray[Any], options: list[int]) -> bytes:
    data: bytes = cv2.imencode(extension, image, options)[1].tobytes()
    return data
