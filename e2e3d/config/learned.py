"""Settings of learned features and matches: a second chance for photographs that cannot be joined."""

from __future__ import annotations

from dataclasses import dataclass, field

from e2e3d.config.bounds import bounded, check_bounds
from e2e3d.config.workload import Cost, Workload


@dataclass(frozen=True)
class LearnedFeaturesConfig:
    """Settings of the learned features.

    Attributes:
        max_size_px: longest side that they are searched at; larger photographs are reduced.
        max_features: at most so many keypoints, the surest first.
        min_score: keypoints that the network is less sure of, in [0, 1], are left out.
    """

    max_size_px: int = bounded(1600, 64, 4096)
    max_features: int = bounded(2048, 100, 20_000)
    min_score: float = bounded(0.05, 0.0001, 0.99)

    def __post_init__(self) -> None:
        check_bounds(self, "learned.features")


@dataclass(frozen=True)
class LearnedMatchingConfig:
    """Settings of the learned matcher.

    Attributes:
        min_confidence: matches that the network is less sure of, in [0, 1], are left out.
        max_error_px: largest distance to the epipolar line, in pixels of the pictures that were searched.
        min_inliers: a pair with fewer verified matches counts as not matched.
    """

    min_confidence: float = bounded(0.1, 0.0001, 0.99)
    max_error_px: float = bounded(2.5, 0.1, 100)
    min_inliers: int = bounded(25, 8, 10_000)

    def __post_init__(self) -> None:
        check_bounds(self, "learned.matching")


@dataclass(frozen=True)
class LearnedConfig:
    """Settings of the second chance, which needs the packages that ``pip install 'e2e3d[learned]'`` brings.

    Attributes:
        enabled: whether photographs that cannot be joined are matched again.
        candidates: each of them is compared with at most so many others.
        neighbours: and matched with so many of these, the most similar ones.
        features: settings of the learned features.
        matching: settings of the learned matcher.
    """

    enabled: bool = False
    candidates: int = bounded(100, 1, 1000)
    neighbours: int = bounded(8, 1, 200)
    features: LearnedFeaturesConfig = field(default_factory=LearnedFeaturesConfig)
    matching: LearnedMatchingConfig = field(default_factory=LearnedMatchingConfig)

    def __post_init__(self) -> None:
        check_bounds(self, "learned")


def network_cost(work: Workload, config: object) -> Cost:
    """Of a unit that runs a network: mostly PyTorch and its weights."""
    return Cost(memory_bytes=1.5e9)


def gathering_cost(work: Workload, config: object) -> Cost:
    """Of a unit that counts, joins or confirms what networks found."""
    return Cost(memory_bytes=500e6)
