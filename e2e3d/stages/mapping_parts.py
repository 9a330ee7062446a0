"""Large sets in parts: which photographs belong together, and the cameras and points of each part by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e2e3d.config.mapping import MappingConfig, mapping_cost, parts_cost
from e2e3d.config.workload import Workload
from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.photo import Photo
from e2e3d.data.photo_parts import PartModel, PartModels, PhotoPart, PhotoParts
from e2e3d.data.ref import Ref
from e2e3d.ops.colmap_log import silence_colmap
from e2e3d.ops.matching.match_blocks import select_pairs
from e2e3d.ops.matching.match_graph import match_graph
from e2e3d.ops.matching.view_graph_parts import plan_parts
from e2e3d.ops.sfm import incremental_mapping as sfm
from e2e3d.ops.sfm.part_joining import part_model
from e2e3d.ops.sfm.track_selection import choose_tracks, on_chosen_tracks
from e2e3d.stages.mapping import MappingInputs, matches_that_move
from e2e3d.stages.matching import most_keypoints
from e2e3d.stages.stage import RunContext, Stage, StoredInputs


@dataclass(frozen=True)
class PartsInputs:
    """How many usable photographs there are, and all of their matches."""

    photos: int
    blocks: tuple[Ref[MatchBlock], ...]


def run_parts(inputs: PartsInputs, config: MappingConfig, context: RunContext) -> PhotoParts:
    """Cut the set where photographs share least."""
    graph = match_graph(ref.load() for ref in inputs.blocks)
    pairs = [ref.load().pairs for ref in inputs.blocks]
    parts = []
    for photos in plan_parts(graph.pairs, graph.counts, inputs.photos, config.part_photos):
        member = np.zeros(inputs.photos, np.bool_)
        member[photos] = True
        holding = [i for i, of_block in enumerate(pairs) if member[of_block].all(axis=1).any()]
        parts.append(PhotoPart(photos, np.array(holding, np.int32)))
    return PhotoParts(tuple(parts))


@dataclass(frozen=True)
class PartInputs:
    """One part.

    Attributes:
        members: indices of its photographs in the set, as `blocks` count them.
        photos: these photographs, and `features` of each.
        blocks: that hold matches of them, and of others.
    """

    members: tuple[int, ...]
    photos: tuple[Photo, ...]
    features: tuple[Ref[Features], ...]
    blocks: tuple[Ref[MatchBlock], ...]


def run(inputs: PartInputs, config: MappingConfig, context: RunContext) -> PartModels:
    """Map a part by itself, from chosen tracks; whether its lenses are right is asked of the joined model."""
    silence_colmap()
    members = np.array(inputs.members, np.int32)
    blocks = tuple(Ref.of(block) for block in _blocks_within(inputs.blocks, members))
    matched = matches_that_move(MappingInputs(inputs.photos, inputs.features, blocks), config)
    chosen = choose_tracks(matched.keypoints_px, matched.blocks)
    fewer = (on_chosen_tracks(block, chosen) for block in matched.blocks)
    database, fixed = sfm.build_database(inputs.photos, matched.keypoints_px, fewer)
    reachable = match_graph(matched.blocks).reachable(2 * config.min_matches)
    settings = sfm.SfmSettings(config.mapper, config.min_matches)
    found = sfm.reconstruct(database, fixed, settings, reachable)
    return PartModels(tuple(_without_repeats(part_model(model, members) for model in found)))


def _without_repeats(models: Iterable[PartModel]) -> Iterator[PartModel]:
    """Models in order, but for those whose photographs are all in the ones before."""
    known: set[int] = set()
    for model in models:
        photos = set(model.photos.tolist())
        if not photos <= known:
            known |= photos
            yield model


def _blocks_within(blocks: tuple[Ref[MatchBlock], ...], members: NDArray[np.int32]) -> Iterator[MatchBlock]:
    """The blocks with only the pairs of members, numbered as these."""
    for ref in blocks:
        block = ref.load()
        within = select_pairs(block, np.asarray(np.isin(block.pairs, members).all(axis=1)))
        yield replace(within, pairs=np.searchsorted(members, within.pairs).astype(np.int32))


def _workload(inputs: PartInputs, stored: StoredInputs) -> Workload:
    return Workload(photos=len(inputs.photos), keypoints=most_keypoints(inputs.features, stored))


def _parts_workload(inputs: PartsInputs, stored: StoredInputs) -> Workload:
    return Workload(photos=inputs.photos)


PLAN_STAGE = Stage(
    name="mapping-plan",
    version=1,
    config=MappingConfig,
    output=PhotoParts,
    run=run_parts,
    workload=_parts_workload,
    cost=parts_cost,
)
STAGE = Stage(
    name="mapping-part",
    version=1,
    config=MappingConfig,
    output=PartModels,
    run=run,
    workload=_workload,
    cost=mapping_cost,
)
