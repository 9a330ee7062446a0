"""Planes propagated from sources: where they project, which are kept, and that the right one is used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from e2e3d.data.dense import DepthMap
from e2e3d.ops.stereo.planes import intrinsics
from e2e3d.ops.stereo.start_planes import planes_from_maps
from e2e3d.ops.stereo.view_propagation import propagated_planes
from tests.ops.stereo.scenes import CAMERA, CENTRES, HEIGHT, PLANE, WIDTH, plane_depth, plane_views

SHIFT = 0.01  # inverse depth to a pixel of disparity, about, in these views
INNER = (slice(8, -8), slice(30, -30))


def exact_map(index: int, confidence: float = 0.9, factor: float = 1.0) -> DepthMap:
    """The plane as view `index` sees it, its depth times `factor`."""
    depth = (factor * plane_depth(CENTRES[index])).astype(np.float32)
    normal = np.broadcast_to(np.float32(-PLANE / np.linalg.norm(PLANE)), (HEIGHT, WIDTH, 3))
    return DepthMap(depth, np.ascontiguousarray(normal), np.full((HEIGHT, WIDTH), confidence, np.float32))


def exact_planes() -> np.ndarray:
    own = exact_map(0)
    return planes_from_maps(own.depth, own.normal_cam, intrinsics(CAMERA))


def test_offers_are_the_planes_of_the_sources_seen_from_the_reference():
    views = plane_views()
    nothing = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    offers = propagated_planes(views[0], nothing, views[1:], [exact_map(1), exact_map(2)], SHIFT)
    np.testing.assert_allclose(offers[INNER][:, :, 0], exact_planes()[INNER], rtol=1e-4, atol=1e-7)
    assert (offers[INNER][:, :, 1] == 0).all()


def test_what_agrees_with_the_present_plane_is_no_offer():
    views = plane_views()
    assert not propagated_planes(views[0], exact_planes(), views[1:], [exact_map(1), exact_map(2)], SHIFT).any()


def test_the_surer_offer_comes_first_and_unsure_ones_never():
    views = plane_views()
    nothing = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for maps in ([exact_map(1, 0.5, 1.2), exact_map(2, 0.9)], [exact_map(1, 0.9), exact_map(2, 0.5, 1.2)]):
        offers = propagated_planes(views[0], nothing, views[1:], maps, SHIFT)[INNER]
        np.testing.assert_allclose(offers[:, :, 0], exact_planes()[INNER], rtol=1e-4, atol=1e-7)
        assert (offers[:, :, 1, 0] > 0).mean() > 0.9
    unsure = [replace(one, confidence=one.confidence * 0.1) for one in maps]
    assert not propagated_planes(views[0], nothing, views[1:], unsure, SHIFT).any()
