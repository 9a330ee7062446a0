"""Gaps in weak texture take the plane of the sure depths around them, exactly, and only where there is one surface."""

from __future__ import annotations

import numpy as np

from e2e3d.ops.stereo.gaps import planes_of_gaps

SHIFT = 0.01
HEIGHT, WIDTH = 96, 256
PLAIN = np.full((HEIGHT, WIDTH), 120, np.uint8)
YS, XS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)


def slanted(gx: float = 0.0008, gy: float = -0.0005) -> np.ndarray:
    """Planes [HEIGHT, WIDTH, 3] of one slanted surface."""
    return np.stack([0.3 + gx * XS + gy * YS, np.full_like(XS, gx), np.full_like(XS, gy)], -1).astype(np.float32)


def fill(
    planes: np.ndarray, gap: np.ndarray, grey: np.ndarray = PLAIN, confidence: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The filled planes, and where: what lies in the gap has nonsense for a plane, and all around it is sure."""
    noisy = np.where(gap[..., None], np.float32(9), planes).astype(np.float32)
    sure = np.where(gap, 0, 0.95) if confidence is None else confidence
    return planes_of_gaps(noisy, sure.astype(np.float32), gap, grey, SHIFT)


def hole(top: int = 40, left: int = 60, side: int = 5) -> np.ndarray:
    """bool [HEIGHT, WIDTH]: a square without depth."""
    gap = np.zeros((HEIGHT, WIDTH), np.bool_)
    gap[top : top + side, left : left + side] = True
    return gap


def test_a_plane_is_continued_exactly() -> None:
    planes, found = fill(slanted(), hole())
    assert (found == hole()).all()
    np.testing.assert_allclose(planes, slanted(), atol=1e-6)


def test_the_gap_is_bounded() -> None:
    _, found = fill(slanted(), hole(30, 50, 30))
    assert not found[45, 65]
    _, found = fill(slanted(), hole(0, 60, 5))
    assert not found[0, 60:65].any(), "open to the border of the image: only the row encloses it"


def test_a_step_in_depth_is_not_bridged() -> None:
    planes = slanted(0, 0)
    planes[:, 62:, 0] += np.float32(20 * SHIFT)
    filled, found = fill(planes, hole())
    assert not found[42, 61:63].any()
    np.testing.assert_allclose(filled[found], planes[found], atol=1e-6)


def test_nothing_is_filled_across_an_edge_of_the_image() -> None:
    grey = np.array(PLAIN)
    grey[38:47, 58:67] = 200
    unsure = np.where(hole(38, 58, 9), 0.5, 0.95)
    unsure[hole()] = 0
    _, found = fill(slanted(), hole(), grey, unsure)
    assert not found.any()


def test_unsure_depths_support_nothing() -> None:
    _, found = fill(slanted(), hole(), PLAIN, np.where(hole(), 0, 0.6))
    assert not found.any()
