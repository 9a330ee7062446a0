"""Local features of one photograph."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.agreement import StillRegions
from e2e3d.data.features import Features
from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.ops import sift
from e2e3d.ops.photo import DecodedPhoto, decode_mask, decode_photo
from e2e3d.stages.base import Resources, RunContext, Stage


@dataclass(frozen=True)
class FeaturesConfig:
    """Settings of feature extraction.

    Attributes:
        max_size_px: longest side that features are searched at; larger photographs are reduced.
        upsample_below_px: photographs (or what their mask leaves) whose longest side is at most this are doubled first,
            to find finer features.
        max_features: at most so many keypoints, those of the largest scales first.
        peak_threshold: contrast below which a keypoint is noise, in [0, 1].
        faint_peak_threshold: the same for the second search.
        wanted_features: photographs with fewer keypoints are searched a second time, more thoroughly.
        normalization: ``L1_ROOT`` (root-SIFT) or ``L2``.
    """

    max_size_px: int = 3200
    upsample_below_px: int = 1600
    max_features: int = 8192
    peak_threshold: float = 0.02 / 3
    faint_peak_threshold: float = 0.02 / 18
    wanted_features: int = 6000
    normalization: str = "L1_ROOT"

    def __post_init__(self) -> None:
        if self.max_size_px < 64:
            raise SettingsError("bad-setting", f"features.max_size_px is {self.max_size_px}.", "Use at least 64.")
        if self.max_features < 100:
            raise SettingsError("bad-setting", f"features.max_features is {self.max_features}.", "Use at least 100.")
        for name in ("peak_threshold", "faint_peak_threshold"):
            if not 0 < getattr(self, name) < 1:
                message = f"features.{name} is {getattr(self, name)}."
                raise SettingsError("bad-setting", message, "Use a number between 0 and 1.")
        if self.wanted_features < 0:
            message = f"features.wanted_features is {self.wanted_features}."
            raise SettingsError("bad-setting", message, "Use at least 0.")
        if self.normalization not in ("L1_ROOT", "L2"):
            message = f"features.normalization is {self.normalization!r}."
            raise SettingsError("bad-setting", message, "Use L1_ROOT or L2.")


@dataclass(frozen=True)
class FeaturesInputs:
    """One photograph, its mask image if it has one, its size after EXIF orientation, and its ``white_level``.

    Attributes:
        still: what stands still in the set and is to be left out; None = nothing.
        index: of the photograph, into the masks of `still`.
    """

    photo: Ref[bytes]
    mask: Ref[bytes] | None
    width_px: int
    height_px: int
    white_level: int | None = None
    still: Ref[StillRegions] | None = None
    index: int = 0


def run(inputs: FeaturesInputs, config: FeaturesConfig, context: RunContext) -> Features:
    """Find features; positions are in pixels of the full photograph, and nothing outside the mask stays."""
    decoded = decode_photo(inputs.photo.load(), config.max_size_px, inputs.white_level)
    height, width = decoded.image.shape[:2]
    mask = _moving(usable_pixels(inputs.mask, decoded), inputs, width, height)
    settings = sift.SiftSettings(
        config.max_features,
        config.peak_threshold,
        config.faint_peak_threshold,
        config.wanted_features,
        config.upsample_below_px,
        config.normalization,
    )
    found = sift.find_features(decoded.image, mask, settings)
    return sift.rescale_keypoints(found, inputs.width_px / width, inputs.height_px / height)


def usable_pixels(mask: Ref[bytes] | None, decoded: DecodedPhoto) -> NDArray[np.bool_] | None:
    """What the mask image and the alpha channel leave of a decoded photograph: bool [H, W], None = all of it."""
    if mask is None:
        return decoded.alpha_mask
    height, width = decoded.image.shape[:2]
    drawn = decode_mask(mask.load(), width, height)
    return drawn if decoded.alpha_mask is None else drawn & decoded.alpha_mask


def _moving(
    mask: NDArray[np.bool_] | None, inputs: FeaturesInputs, width: int, height: int
) -> NDArray[np.bool_] | None:
    """The mask without what stands still."""
    if inputs.still is None:
        return mask
    still = inputs.still.load().masks[inputs.index]
    small = (~still).astype(np.uint8)
    moving: NDArray[np.bool_] = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return moving if mask is None else mask & moving


STAGE = Stage(
    name="features",
    version=4,
    config=FeaturesConfig,
    output=Features,
    run=run,
    resources=Resources(memory_bytes=1_200_000_000),
)
