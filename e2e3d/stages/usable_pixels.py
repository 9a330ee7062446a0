"""Which pixels of a photograph may be used."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.ref import Ref
from e2e3d.ops.photos.decoding import DecodedPhoto, decode_mask


def usable_pixels(
    mask: Ref[bytes] | None, decoded: DecodedPhoto, still: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_] | None:
    """What is left of a decoded photograph: bool [H, W], True = use; None = all of it.

    Args:
        mask: the bytes of its mask image.
        decoded: the photograph; transparent pixels are not used.
        still: bool [rows, columns] of cells over the whole picture, True = stands still, not used.
    """
    height, width = decoded.image.shape[:2]
    parts = [] if decoded.alpha_mask is None else [decoded.alpha_mask]
    if mask is not None:
        parts.append(decode_mask(mask.load(), width, height))
    if still is not None:
        moving = cv2.resize((~still).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        parts.append(np.asarray(moving > 0))
    return np.logical_and.reduce(parts) if parts else None
