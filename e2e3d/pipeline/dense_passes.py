"""Depth of every view and the cloud of all: the passes of the dense part, which overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from e2e3d.config.consistency import REFINEMENTS
from e2e3d.config.fusion import views_a_block
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.config.smaller_sizes import at_size
from e2e3d.data.dense import DepthMap, PointCloud, View, ViewGeometry
from e2e3d.data.ref import Ref
from e2e3d.pipeline.executor import Executor
from e2e3d.pipeline.passes import Pass
from e2e3d.pipeline.plugins import NO_PLUGINS, Plugins
from e2e3d.pipeline.smaller_sizes import SmallerViews
from e2e3d.stages import consistency, depth, fusion


def measure_surface(
    views: Sequence[Ref[View]],
    geometry: Sequence[ViewGeometry],
    config: PipelineConfig,
    run: Executor,
    smaller: Sequence[SmallerViews] = (),
    plugins: Plugins = NO_PLUGINS,
    names: Sequence[str] = (),
) -> tuple[list[Ref[DepthMap]], Ref[PointCloud]]:
    """Depth of every view and one cloud of the whole scene, fused from a block of views a unit.

    `geometry` is that of the views; `smaller` are the same views at growing sizes: the depth of each fills the gaps of
    the next. `names` are those of their photographs.
    """
    near = near_views(geometry)
    passes: list[Pass[Any, Any, Any]] = []
    coarser: list[consistency.CoarserDepth] | None = None
    for level in smaller:
        passes += _depth_passes(level.views, near, config, names, coarser, plugins, level.size_px)
        coarser = [consistency.CoarserDepth(*pair) for pair in zip(level.views, passes[-1].results, strict=True)]
    passes += _depth_passes(views, near, config, names, coarser, plugins)
    agreeing = passes[-1]
    largest_px = max(view.width_px * view.height_px for view in geometry)
    blocks = fusion.plan_blocks(
        [view.image_index for view in geometry],
        [view.sources for view in geometry],
        views_a_block(largest_px),
    )
    fused = Pass(fusion.STAGE, [block.inputs(views, agreeing.results) for block in blocks], config.fusion)
    merged = Pass(fusion.MERGE_STAGE, [fusion.MergeInputs(fused.results)], fusion.MergeConfig())
    *_, depths, _, (cloud,) = run.map_passes([*passes, fused, merged])
    return depths, cloud


def _depth_passes(
    views: Sequence[Ref[View]],
    near: Sequence[Sequence[int]],
    config: PipelineConfig,
    names: Sequence[str],
    coarser: Sequence[consistency.CoarserDepth] | None,
    plugins: Plugins,
    size_px: int | None = None,
) -> list[Pass[Any, Any, Any]]:
    """Depth is first estimated from colours alone, then again and again with the neighbours' depths.

    `coarser` fills the gaps that this leaves; `size_px` is in the names of the passes where it is not the full size.
    """
    units = [
        depth.DepthInputs(view, tuple(views[j] for j in around[: config.depth.sources]))
        for view, around in zip(views, near, strict=True)
    ]
    estimated = Pass(depth.STAGE, units, config.depth, at_size(size_px, depth.STAGE.name), names)
    passes: list[Pass[Any, Any, Any]] = [plugins.applied_to(estimated)]
    for label in REFINEMENTS:
        again = _with_sources(views, near, passes[-1].results, config)
        passes.append(Pass(consistency.REFINE_STAGE, again, config.consistency, at_size(size_px, label), names))
    last = _with_sources(views, near, passes[-1].results, config)
    if coarser is not None:
        last = [replace(unit, coarser=pair) for unit, pair in zip(last, coarser, strict=True)]
    label = at_size(size_px, consistency.STAGE.name)
    return [*passes, Pass(consistency.STAGE, last, config.consistency, label, names)]


def _with_sources(
    views: Sequence[Ref[View]], near: Sequence[Sequence[int]], maps: Sequence[Ref[DepthMap]], config: PipelineConfig
) -> list[consistency.ConsistencyInputs]:
    """Every view with its depth, its source views and theirs."""
    units = []
    for i, around in enumerate(near):
        chosen = around[: config.consistency.sources]
        sources, depths = tuple(views[j] for j in chosen), tuple(maps[j] for j in chosen)
        units.append(consistency.ConsistencyInputs(views[i], sources, maps[i], depths))
    return units


def near_views(geometry: Sequence[ViewGeometry]) -> list[list[int]]:
    """Positions in `geometry` of each view's source views, best first."""
    position = {view.image_index: i for i, view in enumerate(geometry)}
    return [[position[image] for image in view.sources if image in position] for view in geometry]
