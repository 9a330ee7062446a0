"""Depth of one view from colours: the photometric pass of multi-view stereo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from e2e3d.config.depth import DepthConfig, depth_cost
from e2e3d.config.workload import VIEW_BYTES, Workload
from e2e3d.data.dense import DepthMap, View
from e2e3d.data.ref import Ref
from e2e3d.ops.stereo.launch import launcher_for
from e2e3d.ops.stereo.patchmatch import SearchSettings, photometric_depth
from e2e3d.ops.stereo.view_agreement import photometric_confidence
from e2e3d.stages.gpu_comparison import compare_once
from e2e3d.stages.stage import Resources, RunContext, Stage, StoredInputs
from e2e3d.stages.stereo import load_sources, match_settings


@dataclass(frozen=True)
class DepthInputs:
    """A view and the views it is matched with, best first."""

    reference: Ref[View]
    sources: tuple[Ref[View], ...]


def run(inputs: DepthInputs, config: DepthConfig, context: RunContext) -> DepthMap:
    """Depth, normals and photometric confidence of every usable pixel, unfiltered.

    Raises:
        ReconstructionError: ``no-source-views`` when there is nothing to match the view with.
        MachineError: ``gpu-differs``, see :mod:`e2e3d.stages.gpu_comparison`.
    """
    view = inputs.reference.load()
    sources = load_sources(view, inputs.sources, config.sources)
    made = _computed(view, sources, config, context)
    if context.compare:
        on_cpu = replace(context, device="cpu")
        compare_once(made, lambda: _computed(view, sources, config, on_cpu), view.name)
    return made


def _computed(view: View, sources: list[View], config: DepthConfig, context: RunContext) -> DepthMap:
    settings = match_settings(config, 0.0, 3.0)
    search = SearchSettings(config.coarsest_px, config.views, config.sweeps, config.seed)
    depth, normal, cost = photometric_depth(
        view, sources, settings, search, launcher_for(context.device, context.threads)
    )
    confidence = np.where(depth > 0, photometric_confidence(cost), 0).astype(np.float32)
    return DepthMap(depth, normal, confidence)


def _workload(inputs: DepthInputs, stored: StoredInputs) -> Workload:
    return Workload(photos=1, view_mp=stored.size_bytes(inputs.reference) / VIEW_BYTES / 1e6)


STAGE = Stage(
    name="depth",
    version=6,
    config=DepthConfig,
    output=DepthMap,
    run=run,
    resources=Resources(gpu=True),
    workload=_workload,
    cost=depth_cost,
)
