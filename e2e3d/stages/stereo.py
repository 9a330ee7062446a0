"""What both passes of stereo share: settings of the match, and the loading of source views."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds, one_of
from e2e3d.data.dense import View
from e2e3d.data.ref import Ref
from e2e3d.errors import ReconstructionError, SettingsError
from e2e3d.ops.stereo.pyramid import MatchSettings


@dataclass(frozen=True)
class StereoConfig:
    """Settings of the match.

    Attributes:
        sources: how many of the view's sources to use, best first.
        views: how many of them a pixel is matched with.
        window_radius_px: half the side of the matching window, 3 or 5.
        fine_texture: at full size, where the greys within a window of radius 3 have at least this standard deviation,
            that window is used instead, so that less reaches over the outlines of objects. 0 = nowhere.
        color_scale: difference of grey levels at which a window sample counts half.
        noise_sigma: noise of the grey levels; texture weaker than it does not count as a match.
    """

    sources: int = bounded(6, 1, 16)
    views: int = bounded(3, 1, 16)
    window_radius_px: int = one_of(5, 3)
    fine_texture: float = bounded(4.0, 0, 100)
    color_scale: float = bounded(8.0, 0.1, 255)
    noise_sigma: float = bounded(1.5, 0.01, 100)

    def check_match(self, stage: str) -> None:
        """Raise SettingsError ``bad-setting`` where a setting of `stage` makes no sense."""
        check_bounds(self, stage)
        if self.views > self.sources:
            message = f"{stage}.views is {self.views} and {stage}.sources {self.sources}."
            raise SettingsError("bad-setting", message, "views <= sources must hold.")

    def match_settings(self, geometric_weight: float, geometric_limit_px: float) -> MatchSettings:
        """How the kernels measure similarity; a `geometric_weight` of 0 switches the geometric term off."""
        return MatchSettings(
            self.window_radius_px,
            self.color_scale,
            self.noise_sigma,
            geometric_weight,
            geometric_limit_px,
            self.fine_texture,
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
