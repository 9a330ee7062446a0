"""Settings of pair selection."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded, check_bounds
from e2e3d.config.workload import LIBRARIES_BYTES, Cost, Workload


@dataclass(frozen=True)
class PairsConfig:
    """Settings of pair selection.

    Attributes:
        exhaustive_up_to: a set of at most so many photographs is matched exhaustively.
        sequence_exhaustive_up_to: the same for the frames of a video.
        sequence_window: a frame is matched with so many following ones.
        gps_neighbours: a photograph is matched with so many nearest ones, when most have a GPS position.
        similar_neighbours: a photograph is matched with so many of the most similar ones.
        extra_neighbours: the same, in addition to sequence or GPS neighbours.
    """

    exhaustive_up_to: int = bounded(150, 0, 2000)
    sequence_exhaustive_up_to: int = bounded(40, 0, 2000)
    sequence_window: int = bounded(8, 1, 200)
    gps_neighbours: int = bounded(20, 1, 500)
    similar_neighbours: int = bounded(30, 1, 500)
    extra_neighbours: int = bounded(8, 0, 500)

    def __post_init__(self) -> None:
        check_bounds(self, "pairs")


def pairs_to_match(photos: int, config: PairsConfig) -> float:
    """About how many pairs are chosen among photographs that are no frames of a video."""
    exhaustive = photos * (photos - 1) / 2
    if photos <= config.exhaustive_up_to:
        return exhaustive
    return min(exhaustive, 0.75 * photos * config.similar_neighbours)


def pairs_cost(work: Workload, config: PairsConfig) -> Cost:
    """Of choosing pairs."""
    compared = work.photos if work.photos > config.exhaustive_up_to else 0
    return Cost(memory_bytes=200e6 + compared * (50e3 + 16.0 * compared), cpu_s=0.002 * work.photos, alone=True)


def vocabulary_cost(work: Workload, config: object) -> Cost:
    """Of the visual words of a set."""
    return Cost(memory_bytes=400e6, alone=True)


def retrieval_cost(work: Workload, config: object) -> Cost:
    """Of describing a photograph by them."""
    return Cost(memory_bytes=LIBRARIES_BYTES)
