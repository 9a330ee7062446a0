"""Local features of one photograph."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.features import FeaturesConfig, features_cost
from e2e3d.config.workload import Workload
from e2e3d.data.agreement import StillRegions
from e2e3d.data.features import Features
from e2e3d.data.ref import Ref
from e2e3d.ops.matching import sift
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.stages.stage import RunContext, Stage, StoredInputs
from e2e3d.stages.usable_pixels import usable_pixels


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


def _workload(inputs: FeaturesInputs, stored: StoredInputs) -> Workload:
    return Workload(photos=1, photo_mp=inputs.width_px * inputs.height_px / 1e6)


STAGE = Stage(
    name="features",
    version=4,
    config=FeaturesConfig,
    output=Features,
    run=run,
    workload=_workload,
    cost=features_cost,
)
