"""Depth at smaller sizes: which sizes, and that the pipeline hands each to the next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from e2e3d.config.consistency import ConsistencyConfig
from e2e3d.config.depth import DepthConfig
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.presets import PRESETS
from e2e3d.data.dense import View, ViewGeometry
from e2e3d.data.photo import Photo
from e2e3d.data.ref import Ref
from e2e3d.data.stats import UnitStats
from e2e3d.pipeline.dense_passes import measure_surface
from e2e3d.pipeline.inprocess import InProcessExecutor
from e2e3d.pipeline.smaller_sizes import SmallerViews, smaller_sizes
from e2e3d.storage.store import ArtifactStore
from tests.ops.stereo.scenes import plane_views

SIZES = ["depth", "refinement 1", "refinement 2", "consistency"]


def photo(width_px: int, height_px: int) -> Photo:
    return Photo("a.jpg", f"{0:064x}", width_px, height_px, None, sharpness=1.0)


@pytest.mark.parametrize(
    ("quality", "size", "expected"),
    [
        ("medium", (6000, 4000), []),
        ("high", (6000, 4000), [800]),
        ("ultra", (6000, 4000), [800, 1600]),
        ("ultra", (2048, 3072), [768, 1536]),
        ("ultra", (1555, 1037), [778]),
        ("ultra", (1092, 728), []),
    ],
)
def test_sizes_halve_down_to_what_small_presets_look_at(
    quality: str, size: tuple[int, int], expected: list[int]
) -> None:
    assert smaller_sizes(PRESETS[quality].depth.max_size_px, [photo(100, 80), photo(*size)]) == expected


def stored(store: ArtifactStore, views: list[View], name: str) -> list[Ref[View]]:
    keys = [f"{name}/{i:064x}" for i in range(len(views))]
    for key, view in zip(keys, views, strict=True):
        store.put(key, view, UnitStats(0, 0, 0, ""))
    return [Ref(key, View).bound(lambda key=key: store.get(key, View)) for key in keys]


def half_size(view: View) -> View:
    height, width = view.image.shape[:2]
    image = cv2.resize(view.image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return replace(view, image=image, intrinsics_px=view.intrinsics_px / 2)


def noisy(view: View) -> View:
    """With so much noise that windows of the full size tell little; half the size has half of it."""
    noise = np.random.default_rng(view.image_index).normal(0, 24, view.image.shape[:2])
    image = (128 + 0.35 * (view.image.astype(float) - 128) + noise[..., None]).round().clip(0, 255)
    return replace(view, image=image.astype(np.uint8))


def test_depth_of_a_smaller_size_fills_the_full_size(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    views = [noisy(view) for view in plane_views()]
    full = stored(store, views, "full")
    half = SmallerViews(64, stored(store, [half_size(view) for view in views], "half"))
    config = PipelineConfig(
        depth=DepthConfig(coarsest_px=48, sources=2, views=2), consistency=ConsistencyConfig(sources=2, views=2)
    )
    run = InProcessExecutor(store)
    geometry = [ViewGeometry(view.image_index, i, 128, 96, view.sources) for i, view in enumerate(views)]
    alone, _ = measure_surface(full, geometry, config, run)
    filled, cloud = measure_surface(full, geometry, config, run, [half])
    names = [stats.stage for stats in run.stats]
    assert names[6:] == [*(f"{name}, 64 px" for name in SIZES), *SIZES, "fusion", "merge"]
    assert len(cloud.load().points_world)
    for before, after in zip(alone, filled, strict=True):
        had, has = before.load().depth > 0, after.load().depth > 0
        assert (has[had]).all()
        assert has.mean() > had.mean() + 0.03
