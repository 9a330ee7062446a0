"""Depth of one view from colours: the photometric pass of multi-view stereo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from e2e3d.config.bounds import bounded
from e2e3d.data.dense import DepthMap, View
from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.ops.stereo.agreement import photometric_confidence
from e2e3d.ops.stereo.launch import launcher_for
from e2e3d.ops.stereo.patchmatch import SearchSettings, photometric_depth
from e2e3d.stages.stage import Resources, RunContext, Stage
from e2e3d.stages.stereo import StereoConfig, load_sources


@dataclass(frozen=True)
class DepthConfig(StereoConfig):
    """Settings of the photometric pass, beside those of the match.

    Attributes:
        max_size: longest side of the depth maps, pixels (the pipeline hands it to undistortion).
        coarsest_px: the longest side of the coarsest pyramid level is at least this, pixels.
        sweeps: red-black sweeps at the coarsest level, at those between, and at the finest.
        seed: of the random hypotheses.
    """

    max_size: int = bounded(1200, 64, 8192)
    coarsest_px: int = bounded(192, 32, 2048)
    sweeps: tuple[int, int, int] = bounded((5, 2, 1), 1, 50)
    seed: int = bounded(0, 0, 2**31 - 1)

    def __post_init__(self) -> None:
        self.check_match("depth")
        if len(self.sweeps) != 3:
            raise SettingsError("bad-setting", f"depth.sweeps={self.sweeps}.", "Give three numbers.")


@dataclass(frozen=True)
class DepthInputs:
    """A view and the views it is matched with, best first."""

    reference: Ref[View]
    sources: tuple[Ref[View], ...]


def run(inputs: DepthInputs, config: DepthConfig, context: RunContext) -> DepthMap:
    """Depth, normals and photometric confidence of every usable pixel, unfiltered.

    Raises:
        ReconstructionError: ``no-source-views`` when there is nothing to match the view with.
    """
    view = inputs.reference.load()
    sources = load_sources(view, inputs.sources, config.sources)
    settings = config.match_settings(0.0, 3.0)
    search = SearchSettings(config.coarsest_px, config.views, config.sweeps, config.seed)
    depth, normal, cost = photometric_depth(
        view, sources, settings, search, launcher_for(context.device, context.threads)
    )
    confidence = np.where(depth > 0, photometric_confidence(cost), 0).astype(np.float32)
    return DepthMap(depth, normal, confidence)


STAGE = Stage(
    name="depth",
    version=6,
    config=DepthConfig,
    output=DepthMap,
    run=run,
    resources=Resources(cpus=1, gpu=True, memory_bytes=500_000_000),
)
