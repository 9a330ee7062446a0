"""Settings of the texture."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds
from e2e3d.config.workload import SURFACE_BYTES, Cost, Workload
from e2e3d.errors import SettingsError


@dataclass(frozen=True)
class TextureConfig:
    """Settings of the texture.

    Attributes:
        atlas_size_px: side of the largest texture page, in texels; a multiple of 64.
        max_pages: how many such pages may be used.
        even_exposure: even the exposure and white balance of the photographs.
    """

    atlas_size_px: int = bounded(4096, 256, 16_384)
    max_pages: int = bounded(1, 1, 16)
    even_exposure: bool = True

    def __post_init__(self) -> None:
        check_bounds(self, "texture")
        if self.atlas_size_px % 64:
            message = f"texture.atlas_size_px is {self.atlas_size_px}."
            raise SettingsError("bad-setting", message, "It must be a multiple of 64.")


_PAINTED_SHARE = 0.5  # of the pixels of all photographs


def painted_mp(work: Workload, config: TextureConfig) -> float:
    """Megapixels of all pages: as many as may be used, but no finer than the photographs, which overlap."""
    return min(config.max_pages * config.atlas_size_px**2 / 1e6, _PAINTED_SHARE * work.photos * work.photo_mp)


def texture_cost(work: Workload, config: TextureConfig) -> Cost:
    """Of painting all faces from the original photographs."""
    atlas_mp = painted_mp(work, config)
    return Cost(
        memory_bytes=SURFACE_BYTES + 300e6 + 20e6 * work.photo_mp + 300.0 * work.faces + 12e6 * atlas_mp,
        cpu_s=0.15 * work.photos * work.photo_mp + 20e-6 * work.faces + 0.15 * atlas_mp,
        fixed_s=8.0,
        alone=True,
        disk_bytes=3e6 * atlas_mp + 50.0 * work.faces,
    )
