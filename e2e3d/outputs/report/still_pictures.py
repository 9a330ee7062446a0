"""Pictures of what was left out of the photographs because it stands still in them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.agreement import StillParts
from e2e3d.data.run_results import Results
from e2e3d.errors import InputError
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.outputs.report.imagery import data_uri

_SIDE_PX = 360
_SHOWN = 6
_SPOT_SHARE = 0.012  # of the longer side: radius of the spot around a keypoint
_MASK_COLOR = (214, 40, 120)


def still_pictures(results: Results) -> list[tuple[str, str]]:
    """Name and data URI of some photographs, with what stands still in them painted over; none where nothing does."""
    still = results.mapping.still
    if still is None:
        return []
    usable = [(photo, file) for photo, file in zip(results.photos, results.photo_files, strict=True) if photo.usable]
    shown = np.flatnonzero(still.shares > 0)
    pictures = []
    for index in shown[:: max(1, -(-len(shown) // _SHOWN))].tolist():
        photo, file = usable[index]
        try:
            image = decode_photo(file.load(), _SIDE_PX).image
        except InputError:
            continue
        mask = still_mask(still, index, (photo.width_px, photo.height_px), image.shape[:2])
        painted = np.where(mask[..., None], image * 0.35 + np.array(_MASK_COLOR) * 0.65, image).astype(np.uint8)
        pictures.append((photo.name, data_uri(painted)))
    return pictures


def still_mask(still: StillParts, index: int, size_px: tuple[int, int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where photograph `index` stands still: the cells of its mask, and a spot around each still keypoint.

    Args:
        still: of the set.
        index: of the usable photograph.
        size_px: its width and height.
        shape: rows and columns of the mask that is wanted.

    Returns:
        bool of `shape`.
    """
    rows, columns = shape
    mask = np.zeros(shape, np.uint8)
    if still.masks:
        mask = cv2.resize(still.masks[index].astype(np.uint8), (columns, rows), interpolation=cv2.INTER_NEAREST)
    positions = still.positions_px[still.photo_index == index] * (columns / size_px[0], rows / size_px[1])
    radius = max(2, round(_SPOT_SHARE * max(shape)))
    for x, y in positions.tolist():
        cv2.circle(mask, (int(x), int(y)), radius, 1, cv2.FILLED)
    return mask > 0
