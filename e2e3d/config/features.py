"""Settings of feature extraction."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds, one_of


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
