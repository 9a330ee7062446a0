"""Local features of one photograph."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds, one_of
from e2e3d.data.agreement import StillRegions
from e2e3d.data.features import Features
from e2e3d.data.ref import Ref
from e2e3d.ops.matching import sift
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.stages.stage import Resources, RunContext, Stage
from e2e3d.stages.usable_pixels import usable_pixels


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

    max_size_px: int = bounded(3200, 64, 12_000)
    upsample_below_px: int = bounded(1600, 0, 6000)
    max_features: int = bounded(8192, 100, 100_000)
    peak_threshold: float = bounded(0.02 / 3, 1e-05, 0.5)
    faint_peak_threshold: float = bounded(0.02 / 18, 1e-05, 0.5)
    wanted_features: int = bounded(6000, 0, 100_000)
    normalization: str = one_of("L1_ROOT", "L2")

    def __post_init__(self) -> None:
        check_bounds(self, "features")


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
    still = None if inputs.still is None else inputs.still.load().masks[inputs.index]
    mask = usable_pixels(inputs.mask, decoded, still)
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


STAGE = Stage(
    name="features",
    version=4,
    config=FeaturesConfig,
    output=Features,
    run=run,
    resources=Resources(memory_bytes=1_200_000_000),
)
