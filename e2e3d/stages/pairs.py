"""Which photographs to match, and why.

Up to some thirty photographs every pair is matched: most overlap. In a larger set pairs are compared first, by the
largest features of either photograph alone; those that have enough in common are matched, and then those that these
matches link through other photographs. What is compared is every pair, or in a set of more than a hundred the
neighbours: on the ground, and those with the most similar descriptors. Frames of a video are matched with those that
follow, and with similar ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from e2e3d.config.pairs import PairsConfig, linking_cost, pairs_cost
from e2e3d.config.workload import Workload
from e2e3d.data.features import GlobalDescriptor, MatchBlock, PairList, PairOverlaps
from e2e3d.data.photo import GpsPosition
from e2e3d.data.ref import Ref
from e2e3d.ops.geo.georeferencing import local_from_gps
from e2e3d.ops.matching import pair_selection
from e2e3d.ops.matching.overlapping_pairs import linked_pairs, overlapping_pairs
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


@dataclass(frozen=True)
class ChoiceInputs:
    """The pairs that were compared, block by block, of `count` photographs."""

    count: int
    overlaps: tuple[Ref[PairOverlaps], ...]


@dataclass(frozen=True)
class LinkInputs:
    """The matches of all pairs that overlap, of `count` photographs."""

    count: int
    blocks: tuple[Ref[MatchBlock], ...]


_MOST = 0.8


def need_features(count: int, sequence: bool, config: PairsConfig) -> bool:
    """Whether the pairs to match follow from the features, not from `count` alone."""
    return needs_comparison(count, sequence, config) or needs_descriptors(count, sequence, config)


def needs_comparison(count: int, sequence: bool, config: PairsConfig) -> bool:
    """Whether `run` chooses pairs to be compared, of which `choose` then chooses those to be matched."""
    return not sequence and count > config.exhaustive_up_to


def needs_descriptors(count: int, sequence: bool, config: PairsConfig) -> bool:
    """Whether the set is too large for all pairs, so that `run` needs global descriptors."""
    most = max(config.exhaustive_up_to, config.compare_all_up_to)
    return count > (config.sequence_exhaustive_up_to if sequence else most)


def run(inputs: PairsInputs, config: PairsConfig, context: RunContext) -> PairList:
    """The pairs to match, or to compare first; where these are neighbours, they connect all photographs."""
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


def choose(inputs: ChoiceInputs, config: PairsConfig, context: RunContext) -> PairList:
    """Of the pairs that were compared, those to match."""
    blocks = [ref.load() for ref in inputs.overlaps]
    pairs = np.concatenate([block.pairs for block in blocks])
    shared = np.concatenate([block.shared for block in blocks])
    chosen = overlapping_pairs(pairs, shared, inputs.count, config.min_shared)
    return _pair_list([("overlap", chosen)])


def link(inputs: LinkInputs, config: PairsConfig, context: RunContext) -> PairList:
    """The pairs to match besides, because they match the same keypoints of others; there may be none."""
    blocks = (ref.load() for ref in inputs.blocks)
    return _pair_list([("linked", linked_pairs(blocks, inputs.count, config.min_linked))])


def _pair_list(chosen: list[tuple[str, pair_selection.Pairs]]) -> PairList:
    """Sorted pairs, each once, with the first reason that chose it."""
    reasons: dict[tuple[int, int], str] = {}
    for reason, pairs in chosen:
        for pair in pairs:
            reasons.setdefault(pair, reason)
    ordered = sorted(reasons)
    return PairList(np.array(ordered, np.int32).reshape(-1, 2), tuple(reasons[pair] for pair in ordered))


CHOICE_STAGE = Stage(
    name="overlapping-pairs",
    version=1,
    config=PairsConfig,
    output=PairList,
    run=choose,
    workload=lambda inputs, stored: Workload(photos=inputs.count),
    cost=pairs_cost,
)
LINK_STAGE = Stage(
    name="linked-pairs",
    version=1,
    config=PairsConfig,
    output=PairList,
    run=link,
    workload=lambda inputs, stored: Workload(photos=inputs.count),
    cost=linking_cost,
)
STAGE = Stage(
    name="pairs",
    version=2,
    config=PairsConfig,
    output=PairList,
    run=run,
    workload=lambda inputs, stored: Workload(photos=inputs.count),
    cost=pairs_cost,
)
