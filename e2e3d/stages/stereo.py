"""What both passes of stereo share: settings of the match, and the loading of source views."""

from __future__ import annotations

from e2e3d.config.stereo import StereoConfig
from e2e3d.data.dense import View
from e2e3d.data.ref import Ref
from e2e3d.errors import ReconstructionError
from e2e3d.ops.stereo.pyramid import MatchSettings


def match_settings(config: StereoConfig, geometric_weight: float, geometric_limit_px: float) -> MatchSettings:
    """How the kernels measure similarity; a `geometric_weight` of 0 switches the geometric term off."""
    return MatchSettings(
        config.window_radius_px,
        config.color_scale,
        config.noise_sigma,
        geometric_weight,
        geometric_limit_px,
        config.fine_texture,
    )


def load_sources(view: View, sources: tuple[Ref[View], ...], limit: int) -> list[View]:
    """The best `limit` source views of `view`.

    Raises:
        ReconstructionError: ``no-source-views`` when there is none.
    """
    loaded = [ref.load() for ref in sources[:limit]]
    if not loaded:
        raise ReconstructionError(
            "no-source-views", f"No other photograph overlaps {view.name} enough.", "Take more photographs around it."
        )
    return loaded
