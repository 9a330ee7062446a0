"""Depth of one view made consistent with the depth maps of its sources: the geometric passes of multi-view stereo.

Refinement improves every depth, and may be repeated, each time with what it made of all views; the last pass improves
them once more, and drops what still disagrees.
"""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.consistency import ConsistencyConfig, consistency_cost, refinement_cost
from e2e3d.config.workload import DEPTH_BYTES, Workload
from e2e3d.data.dense import DepthMap, View
from e2e3d.data.ref import Ref
from e2e3d.ops.stereo.coarser import fill_from_coarser
from e2e3d.ops.stereo.launch import launcher_for
from e2e3d.ops.stereo.patchmatch import AgreementSettings, SearchSettings, consistent_depth
from e2e3d.stages.stage import Resources, RunContext, Stage, StoredInputs
from e2e3d.stages.stereo import load_sources, match_settings


@dataclass(frozen=True)
class CoarserDepth:
    """The same view at a smaller size, and its filtered depth map."""

    view: Ref[View]
    depth: Ref[DepthMap]


@dataclass(frozen=True)
class ConsistencyInputs:
    """A view, the views it is matched with, its depth from colours, and theirs, in the same order.

    Attributes:
        coarser: what fills the gaps of the filtered depth map; None = nothing.
    """

    reference: Ref[View]
    sources: tuple[Ref[View], ...]
    depth: Ref[DepthMap]
    source_depths: tuple[Ref[DepthMap], ...]
    coarser: CoarserDepth | None = None


def refine(inputs: ConsistencyInputs, config: ConsistencyConfig, context: RunContext) -> DepthMap:
    """The improved depth map, with normals and a confidence from colours and agreement; every pixel keeps a depth.

    Raises:
        ReconstructionError: ``no-source-views`` when there is nothing to compare the view with.
    """
    return _computed(inputs, config, context, drop=False)


def run(inputs: ConsistencyInputs, config: ConsistencyConfig, context: RunContext) -> DepthMap:
    """The filtered depth map, with normals and a confidence from colours and agreement.

    Its gaps are filled from the coarser depth map where there is one.

    Raises:
        ReconstructionError: ``no-source-views`` when there is nothing to compare the view with.
    """
    found = _computed(inputs, config, context, drop=True)
    if inputs.coarser is None:
        return found
    coarse, coarse_view = inputs.coarser.depth.load(), inputs.coarser.view.load()
    return fill_from_coarser(found, inputs.reference.load(), coarse, coarse_view, config.window_radius_px)


def _computed(inputs: ConsistencyInputs, config: ConsistencyConfig, context: RunContext, drop: bool) -> DepthMap:
    view = inputs.reference.load()
    return consistent_depth(
        view,
        load_sources(view, inputs.sources, config.sources),
        inputs.depth.load(),
        [ref.load() for ref in inputs.source_depths[: config.sources]],
        match_settings(config, config.geometric_weight, config.geometric_limit_px),
        SearchSettings(64, config.views, (1, 1, config.sweeps), config.seed),
        AgreementSettings(
            config.min_views, config.max_error_px, config.max_depth_ratio, config.max_cost, config.min_confidence
        ),
        launcher_for(context.device, context.threads),
        drop,
    )


def _workload(inputs: ConsistencyInputs, stored: StoredInputs) -> Workload:
    return Workload(photos=1, view_mp=stored.size_bytes(inputs.depth) / DEPTH_BYTES / 1e6)


REFINE_STAGE = Stage(
    name="refinement",
    version=2,
    config=ConsistencyConfig,
    output=DepthMap,
    run=refine,
    resources=Resources(gpu=True),
    workload=_workload,
    cost=refinement_cost,
)
STAGE = Stage(
    name="consistency",
    version=16,
    config=ConsistencyConfig,
    output=DepthMap,
    run=run,
    resources=Resources(gpu=True),
    workload=_workload,
    cost=consistency_cost,
)
