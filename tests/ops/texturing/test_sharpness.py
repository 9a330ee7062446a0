"""Photographs out of focus give way to sharp ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.ops.texturing.scenes import PINHOLE, camera_above, photograph, plane, textured

MESH = plane(24, 0.6)
NEAR, FAR = camera_above(0.1, 0.1, 1.9), [camera_above(x, y, 2.6) for x, y in ((0.4, 0.3), (-0.5, 0.2), (0.2, -0.5))]


def grain(points: NDArray[np.float64], face: NDArray[np.int64]) -> NDArray[np.float64]:
    """Detail of many sizes, down to that of a pixel."""
    x, y = points[..., 0], points[..., 1]
    total = sum(
        np.sin(f * (x * np.cos(a) + y * np.sin(a)) + 3 * a)
        for f, a in ((9, 1), (23, 2), (47, 0.3), (90, 2.5), (140, 4))
    )
    return np.repeat((120 + 18 * total)[..., None], 3, -1)


@pytest.mark.parametrize("motion", [False, True], ids=["defocus", "motion"])
def test_blurred_photograph_is_not_painted_where_sharp_ones_see(motion: bool) -> None:
    photos = [photograph(MESH, PINHOLE, pose, grain) for pose in (NEAR, *FAR)]
    assert 0 in textured(MESH, PINHOLE, [NEAR, *FAR], photos).face_image  # nearest, so it would be the best
    photos[0] = cv2.blur(photos[0], (7, 1)) if motion else cv2.GaussianBlur(photos[0], (0, 0), 2)
    assert 0 not in textured(MESH, PINHOLE, [NEAR, *FAR], photos).face_image
