"""Which photographs to match, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from e2e3d.config.pairs import PairsConfig, pairs_cost
from e2e3d.config.workload import Workload
from e2e3d.data.features import GlobalDescriptor, PairList
from e2e3d.data.photo import GpsPosition
from e2e3d.data.ref import Ref
from e2e3d.ops.geo.georeferencing import local_from_gps
from e2e3d.ops.matching import pair_selection
from e2e3d.stages.stage import RunContext, Stage


@dataclass(frozen=True)
class PairsInputs:
    """What the choice depends on.

    Attributes:
        count: number of usable photographs.
        sequence: whether they are the frames of a video, in order.
        gps: position of each photograph, where it has one.
        descriptors: global descriptor of each photograph; empty when `needs_descriptors` says that none are needed.
    """

    count: int
    sequence: bool
    gps: tuple[GpsPosition | None, ...]
    descriptors: tuple[Ref[GlobalDescriptor], ...] = ()


_MOST = 0.8


def needs_descriptors(count: int, sequence: bool, config: PairsConfig) -> bool:
    """Whether the set is too large to be matched exhaustively, so that `run` needs global descriptors."""
    return count > (config.sequence_exhaustive_up_to if sequence else config.exhaustive_up_to)


def run(inputs: PairsInputs, config: PairsConfig, context: RunContext) -> PairList:
    """Choose pairs; where the set is matched by neighbours, they connect all photographs."""
    if not needs_descriptors(inputs.count, inputs.sequence, config):
        return _pair_list([("exhaustive", pair_selection.exhaustive_pairs(inputs.count))])
    vectors = np.stack([descriptor.load().vector for descriptor in inputs.descriptors])
    chosen: list[tuple[str, pair_selection.Pairs]] = []
    located = np.array([i for i, gps in enumerate(inputs.gps) if gps is not None], np.int64)
    if inputs.sequence:
        chosen.append(("sequence", pair_selection.sequence_pairs(inputs.count, config.sequence_window)))
        loops = pair_selection.similar_pairs(vectors, config.extra_neighbours, 4 * config.sequence_window)
        chosen.append(("retrieval", loops))
    elif len(located) >= _MOST * inputs.count:
        positions = local_from_gps([gps for gps in inputs.gps if gps is not None])
        chosen.append(("gps", pair_selection.nearest_pairs(positions[:, :2], located, config.gps_neighbours)))
        chosen.append(("retrieval", pair_selection.similar_pairs(vectors, config.extra_neighbours)))
    else:
        chosen.append(("retrieval", pair_selection.similar_pairs(vectors, config.similar_neighbours)))
    together = set().union(*(pairs for _, pairs in chosen))
    chosen.append(("retrieval", pair_selection.connect(together, vectors)))
    return _pair_list(chosen)


def _pair_list(chosen: list[tuple[str, pair_selection.Pairs]]) -> PairList:
    """Sorted pairs, each once, with the first reason that chose it."""
    reasons: dict[tuple[int, int], str] = {}
    for reason, pairs in chosen:
        for pair in pairs:
            reasons.setdefault(pair, reason)
    ordered = sorted(reasons)
    return PairList(np.array(ordered, np.int32).reshape(-1, 2), tuple(reasons[pair] for pair in ordered))


STAGE = Stage(
    name="pairs",
    version=1,
    config=PairsConfig,
    output=PairList,
    run=run,
    workload=lambda inputs, stored: Workload(photos=inputs.count),
    cost=pairs_cost,
)
