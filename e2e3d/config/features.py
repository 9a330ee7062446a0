"""Settings of feature extraction."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds, one_of
from e2e3d.config.workload import Cost, Workload, megapixels


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


_PROCESS_BYTES = 230e6


def searched_mp(photo_mp: float, config: FeaturesConfig) -> float:
    """Megapixels of a photograph as features are searched in it: large ones are reduced, then small ones doubled."""
    reduced_mp = min(photo_mp, megapixels(config.max_size_px))
    return 4 * reduced_mp if reduced_mp <= megapixels(config.upsample_below_px) else reduced_mp


def features_cost(work: Workload, config: FeaturesConfig) -> Cost:
    """Of searching each photograph."""
    searched = searched_mp(work.photo_mp, config)
    return Cost(
        memory_bytes=_PROCESS_BYTES + 6e6 * work.photo_mp + 72e6 * searched,
        cpu_s=0.14 * work.photos * searched,
        disk_bytes=147.0 * work.photos * config.max_features,
    )
