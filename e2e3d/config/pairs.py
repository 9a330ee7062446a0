"""Settings of pair selection."""

from __future__ import annotations

from dataclasses import dataclass, replace

from e2e3d.config.bounds import bounded, check_bounds
from e2e3d.config.workload import LIBRARIES_BYTES, Cost, Workload

_MOST_PHOTOS = 2000  # that are matched exhaustively


@dataclass(frozen=True)
class PairsConfig:
    """Settings of pair selection.

    Attributes:
        exhaustive_up_to: a set of at most so many photographs is matched exhaustively.
        sequence_exhaustive_up_to: the same for the frames of a video.
        sequence_window: a frame is matched with so many following ones.
        compare_all_up_to: in a larger set than `exhaustive_up_to`, pairs are compared before they are matched: all of
            them up to so many photographs, else neighbours.
        gps_neighbours: a photograph is compared with so many nearest ones, when most have a GPS position.
        similar_neighbours: a photograph is compared with so many of the most similar ones.
        extra_neighbours: the same, in addition to sequence or GPS neighbours; frames of a video are matched with them.
        compared_features: photographs are compared by so many of their largest features.
        min_shared: pairs are matched that have at least so many of them in common,
        min_linked: and those that match at least so many keypoints of other photographs in common.
    """

    exhaustive_up_to: int = bounded(30, 0, _MOST_PHOTOS)
    sequence_exhaustive_up_to: int = bounded(40, 0, _MOST_PHOTOS)
    sequence_window: int = bounded(8, 1, 200)
    compare_all_up_to: int = bounded(100, 0, 2000)
    gps_neighbours: int = bounded(30, 1, 500)
    similar_neighbours: int = bounded(60, 1, 500)
    extra_neighbours: int = bounded(8, 0, 500)
    compared_features: int = bounded(512, 50, 8192)
    min_shared: int = bounded(10, 1, 100)
    min_linked: int = bounded(6, 1, 1000)

    def __post_init__(self) -> None:
        check_bounds(self, "pairs")


def without_comparison(config: PairsConfig) -> PairsConfig:
    """The settings for features that only their own matcher compares: every pair of up to 2,000 photographs."""
    return replace(config, exhaustive_up_to=_MOST_PHOTOS, sequence_exhaustive_up_to=_MOST_PHOTOS)


@dataclass(frozen=True)
class OverlapConfig:
    """How pairs are compared before they are matched.

    Attributes:
        features: of each photograph, the largest ones.
        max_ratio: as of matching.
        max_distance_rad: as of matching.
    """

    features: int
    max_ratio: float
    max_distance_rad: float


def pairs_to_compare(photos: int, config: PairsConfig) -> float:
    """About how many pairs are compared before they are matched, among photographs that are no frames of a video."""
    if photos <= config.exhaustive_up_to:
        return 0
    exhaustive = photos * (photos - 1) / 2
    if photos <= config.compare_all_up_to:
        return exhaustive
    return min(exhaustive, _MUTUAL * photos * config.similar_neighbours)


def pairs_to_match(photos: int, config: PairsConfig) -> float:
    """About how many pairs are chosen among photographs that are no frames of a video."""
    if photos <= config.exhaustive_up_to:
        return photos * (photos - 1) / 2
    return min(_OVERLAPPING * pairs_to_compare(photos, config), _NEIGHBOURS * photos)


_MUTUAL = 0.75  # pairs for each neighbour of a photograph: half of the neighbours are so in turn
_OVERLAPPING = 0.5  # of the pairs that are compared
_NEIGHBOURS = 20  # pairs of a photograph in a large set


def pairs_cost(work: Workload, config: PairsConfig) -> Cost:
    """Of choosing pairs."""
    compared = work.photos if work.photos > config.compare_all_up_to else 0
    return Cost(memory_bytes=200e6 + compared * (50e3 + 16.0 * compared), cpu_s=0.002 * work.photos, alone=True)


def overlap_cost(work: Workload, config: OverlapConfig) -> Cost:
    """Of comparing pairs in a unit: it holds one photograph's features, and the largest of all."""
    return Cost(
        memory_bytes=LIBRARIES_BYTES + 300.0 * work.keypoints + 600.0 * work.photos * config.features,
        cpu_s=3e-3 * (config.features / 512) ** 2 * work.pairs,
    )


def comparing_cost(work: Workload, config: PairsConfig) -> Cost:
    """Of comparing the pairs of a job."""
    unit = OverlapConfig(config.compared_features, 1, 1)
    compared = replace(work, photos=COMPARED_PHOTOS, pairs=pairs_to_compare(work.photos, config))
    return overlap_cost(compared, unit)


def linking_cost(work: Workload, config: PairsConfig) -> Cost:
    """Of finding the pairs that others link, from all matches."""
    return Cost(
        memory_bytes=LIBRARIES_BYTES + 5000.0 * work.photos * min(work.keypoints, 1000),
        cpu_s=0.01 * work.photos,
        parallel=False,
        alone=True,
    )


COMPARED_PHOTOS = 32
"""That a unit of comparison touches, where the photographs of a place follow one another."""


def vocabulary_cost(work: Workload, config: object) -> Cost:
    """Of the visual words of a set."""
    return Cost(memory_bytes=400e6, alone=True)


def retrieval_cost(work: Workload, config: object) -> Cost:
    """Of describing a photograph by them."""
    return Cost(memory_bytes=LIBRARIES_BYTES)
