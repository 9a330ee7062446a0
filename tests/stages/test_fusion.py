"""Blocks of fusion: together they give what one block gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e3d.config.fusion import FusionConfig
from e2e3d.data.dense import PointCloud
from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.stages.fusion import MERGE_STAGE, STAGE, MergeConfig, MergeInputs, plan_blocks
from e2e3d.stages.stage import RunContext
from tests.ops.exact_views import orbit


def fuse_in_blocks(block_views: int) -> PointCloud:
    views, depths = orbit(7, size_px=96)
    blocks = plan_blocks([v.image_index for v in views], [v.sources[:4] for v in views], block_views)
    view_refs, depth_refs = [Ref.of(v) for v in views], [Ref.of(d) for d in depths]
    clouds = [STAGE.run(block.inputs(view_refs, depth_refs), FusionConfig(), RunContext()) for block in blocks]
    return MERGE_STAGE.run(MergeInputs(tuple(Ref.of(cloud) for cloud in clouds)), MergeConfig(), RunContext())


def test_blocks_give_what_the_whole_gives() -> None:
    whole, blocks = fuse_in_blocks(100), fuse_in_blocks(2)
    assert len(whole.points_world) > 5000
    assert np.array_equal(whole.points_world, blocks.points_world)
    assert np.array_equal(whole.view_offsets, blocks.view_offsets)
    assert np.array_equal(whole.view_indices, blocks.view_indices)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 30), st.integers(1, 9), st.integers(0, 2**31))
def test_every_view_is_owned_once_and_stereo_sources_are_never_lost(count: int, block_views: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    images = list(range(10, 10 + 3 * count, 3))
    sources = [[int(s) for s in rng.permutation(images)[:5] if s != image] + [999] for image in images]
    blocks = plan_blocks(images, sources, block_views, max_neighbours=6)
    owned = [view for block in blocks for view in block.views[: block.owned]]
    assert owned == list(range(count))
    sizes = [block.owned for block in blocks]
    assert max(sizes) <= block_views
    assert max(sizes) - min(sizes) <= 1
    for block in blocks:
        assert len(set(block.views)) == len(block.views)
        for position, near in enumerate(block.neighbours):
            around = {images[block.views[k]] for k in near}
            assert set(sources[block.views[position]]) - {999} <= around
            assert images[block.views[position]] not in around


@pytest.mark.parametrize(
    "wrong", [{"max_depth_difference": 0.0}, {"max_normal_deg": 190.0}, {"min_views": 0}, {"min_evidence": -1.0}]
)
def test_impossible_settings_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=f"fusion.{next(iter(wrong))}"):
        FusionConfig(**wrong)  # type: ignore[arg-type]
