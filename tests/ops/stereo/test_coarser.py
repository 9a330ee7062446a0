"""What a smaller size of the photographs shows stays when they are larger."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from e2e3d.data.dense import DepthMap, View
from e2e3d.ops.stereo.coarser import fill_from_coarser
from e2e3d.ops.stereo.cpu import CpuLauncher
from e2e3d.ops.stereo.gaps import FILLED_CONFIDENCE
from e2e3d.ops.stereo.patchmatch import AgreementSettings, SearchSettings, consistent_depth, photometric_depth
from e2e3d.ops.stereo.pyramid import MatchSettings
from tests.ops.stereo.scenes import PLANE, pose, rays, texture

WIDTH, HEIGHT, FOCAL = 320, 224, 320.0
CENTRES = [(0.0, 0.0, 0.0), (0.4, 0.0, 0.0), (-0.4, 0.1, 0.0)]
MATCH = MatchSettings(5, 8.0, 1.5, 0.15, 3.0, 4.0)
SEARCH = SearchSettings(80, 2, (4, 2, 1), 0)
AGREE = AgreementSettings(1, 1.5, 0.01, 0.9, 0.3)


def plaster_wall() -> list[View]:
    """Three views of a slanted wall, half of it in faint plaster, with the noise of a camera."""
    views = []
    camera = np.array([FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2])
    for i, centre in enumerate(CENTRES):
        directions = rays(WIDTH, HEIGHT, camera)
        points = directions * ((1 - PLANE @ np.array(centre)) / (directions @ PLANE))[..., None] + np.array(centre)
        contrast = np.where(points[..., 0] > 0, 120.0, 14.0)
        noise = np.random.default_rng(i).normal(0, 3.0, contrast.shape)
        grey = (150 + contrast * (texture(0.8 * points) - 0.5) + noise).round().clip(0, 255)
        others = tuple(j for j in range(3) if j != i)
        views.append(
            View(
                name=f"{i}",
                image_index=i,
                image=np.repeat(grey.astype(np.uint8)[..., None], 3, 2),
                mask=None,
                intrinsics_px=camera,
                cam_from_world=pose(centre),
                depth_range=(2.0, 9.0),
                sources=others,
                source_scores=np.ones(2, np.float32),
                sparse_px=np.zeros((0, 2), np.float32),
                sparse_depth=np.zeros(0, np.float32),
            )
        )
    return views


def half_size(view: View) -> View:
    image = cv2.resize(view.image, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    return replace(view, image=image, intrinsics_px=view.intrinsics_px / 2)


def wall_depth(view: View) -> NDArray[np.float64]:
    """Exact depth of the first view, at its size."""
    height, width = view.image.shape[:2]
    return 1 / (rays(width, height, view.intrinsics_px) @ PLANE)


def checked_depth(views: list[View]) -> DepthMap:
    """Depth of the first view after all passes."""
    maps = []
    for view in views:
        depth, normal, cost = photometric_depth(view, [views[s] for s in view.sources], MATCH, SEARCH, CpuLauncher())
        maps.append(DepthMap(depth, normal, np.exp(-cost)))
    maps = [passed(views, maps, i, drop=False) for i in range(3)]
    return passed(views, maps, 0, drop=True)


def passed(views: list[View], maps: list[DepthMap], i: int, drop: bool) -> DepthMap:
    sources, depths = [views[s] for s in views[i].sources], [maps[s] for s in views[i].sources]
    return consistent_depth(views[i], sources, maps[i], depths, MATCH, SEARCH, AGREE, CpuLauncher(), drop)


def right(found: DepthMap, view: View) -> NDArray[np.bool_]:
    """Which depths [H, W] are right to 0.7 pixels of half the size, as shift in the sources."""
    return np.abs(found.depth / wall_depth(view) - 1) < 0.03


@pytest.mark.slow
def test_a_larger_size_shows_no_less_of_a_wall_than_a_smaller_one() -> None:
    views = plaster_wall()
    halves = [half_size(view) for view in views]
    fine, coarse = checked_depth(views), checked_depth(halves)
    filled = fill_from_coarser(fine, views[0], coarse, halves[0], MATCH.window_radius_px)
    shown = [float((found.depth > 0).mean()) for found in (fine, coarse, filled)]
    assert shown[0] < shown[1] - 0.05  # the fall that this is about
    assert shown[2] >= shown[1]
    new = (filled.depth > 0) & (fine.depth <= 0)
    assert right(filled, views[0])[new].mean() > 0.8
    own = fine.depth > 0
    np.testing.assert_array_equal(filled.depth[own], fine.depth[own])
    np.testing.assert_array_equal(filled.normal_cam[own], fine.normal_cam[own])
    assert filled.confidence[~own].max() <= FILLED_CONFIDENCE


def exact_map(view: View) -> DepthMap:
    depth = wall_depth(view).astype(np.float32)
    normal = np.tile((-PLANE / np.linalg.norm(PLANE)).astype(np.float32), (*depth.shape, 1))
    return DepthMap(depth, normal, np.full(depth.shape, 0.9, np.float32))


def holed(found: DepthMap, hole: tuple[slice, slice]) -> DepthMap:
    parts = [np.array(part) for part in (found.depth, found.normal_cam, found.confidence)]
    for part in parts:
        part[hole] = 0
    return DepthMap(*parts)


def test_planes_go_on_exactly_whatever_the_ratio_of_the_sizes() -> None:
    view = plaster_wall()[0]
    image = cv2.resize(view.image, (131, 92), interpolation=cv2.INTER_AREA)
    ratio = np.tile([131 / WIDTH, 92 / HEIGHT], 2)
    coarse_view = replace(view, image=image, intrinsics_px=view.intrinsics_px * ratio)
    hole = (slice(60, 140), slice(170, 260))
    filled = fill_from_coarser(holed(exact_map(view), hole), view, exact_map(coarse_view), coarse_view, 5)
    np.testing.assert_allclose(filled.depth[hole], wall_depth(view)[hole], rtol=1e-5)
    np.testing.assert_allclose(filled.normal_cam[hole], exact_map(view).normal_cam[hole])
    assert (filled.confidence[hole] == FILLED_CONFIDENCE).all()


def test_masked_pixels_and_what_the_smaller_size_lacks_stay_empty() -> None:
    view = plaster_wall()[0]
    mask = np.ones((HEIGHT, WIDTH), bool)
    mask[80:100, 180:200] = False
    hole, wider = (slice(60, 140), slice(170, 260)), (slice(60, 140), slice(200, 260))
    half = half_size(view)
    coarse = holed(exact_map(half), (slice(30, 70), slice(100, 130)))
    filled = fill_from_coarser(holed(exact_map(view), hole), replace(view, mask=mask), coarse, half, 5)
    assert (filled.depth[wider] == 0).all()
    assert (filled.depth[~mask & np.pad(np.ones((80, 30), bool), ((60, 84), (170, 120)))] == 0).all()
    assert (filled.depth[102:138, 172:198] > 0).all()


def test_the_blank_beside_an_outline_is_not_filled() -> None:
    """As with depth that a window of the smaller size has carried over an outline, onto the white behind."""
    view = plaster_wall()[0]
    image = np.array(view.image)
    image[:, :160] = 250
    view = replace(view, image=image)
    half = half_size(view)
    outside = (slice(0, HEIGHT), slice(0, 160))
    fine = holed(exact_map(view), outside)
    coarse = holed(exact_map(half), (slice(0, HEIGHT // 2), slice(0, 74)))  # 6 pixels beyond
    filled = fill_from_coarser(fine, view, coarse, half, 5)
    assert (filled.depth[:, :158] > 0).mean() == 0
