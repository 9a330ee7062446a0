"""What both passes of stereo share: settings of the match, and the loading of source views."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.data.dense import View
from e2e3d.data.ref import Ref
from e2e3d.errors import ReconstructionError, SettingsError
from e2e3d.ops.stereo.pyramid import MatchSettings


@dataclass(frozen=True)
class StereoConfig:
    """Settings of the match.

    Attributes:
        sources: how many of the view's sources to use, best first; `views` how many of them a pixel is matched with.
        window_radius_px: half the side of the matching window, 3 or 5.
        fine_texture: at full size, where the greys within a window of radius 3 have at least this standard deviation,
            that window is used instead, so that less reaches over the outlines of objects. 0 = nowhere.
        color_scale: difference of grey levels at which a window sample counts half.
        noise_sigma: noise of the grey levels; texture weaker than it does not count as a match.
    """

    sources: int = 6
    views: int = 3
    window_radius_px: int = 5
    fine_texture: float = 4.0
    color_scale: float = 8.0
    noise_sigma: float = 1.5

    def check_match(self, stage: str) -> None:
        """Raise SettingsError ``bad-setting`` where sources, views or the window make no sense for `stage`."""
        if not 1 <= self.views <= self.sources <= 16:
            raise SettingsError(
                "bad-setting",
                f"{stage}.views={self.views}, {stage}.sources={self.sources}.",
                "1 <= views <= sources <= 16.",
            )
        if self.window_radius_px not in (3, 5):
            raise SettingsError("bad-setting", f"{stage}.window_radius_px={self.window_radius_px}.", "Use 3 or 5.")
        if self.fine_texture < 0:
            raise SettingsError("bad-setting", f"{stage}.fine_texture={self.fine_texture}.", "Use 0 to 20.")

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
