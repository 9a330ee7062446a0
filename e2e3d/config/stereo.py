"""Settings that both passes of stereo share: how views are matched."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds, one_of
from e2e3d.errors import SettingsError


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
