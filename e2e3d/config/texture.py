"""Settings of the texture."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds
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
