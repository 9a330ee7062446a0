"""Which photographs to match: all with all in small sets, else those that their largest features say overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from e2e3d.config.pairs import OverlapConfig
from e2e3d.config.pipeline import PipelineConfig
from e2e3d.data.features import Features, GlobalDescriptor, MatchBlock, PairOverlaps
from e2e3d.data.photo import Photo
from e2e3d.data.ref import Ref
from e2e3d.ops.matching.match_blocks import plan_blocks
from e2e3d.pipeline.executor import Executor
from e2e3d.stages import overlap, pairs, retrieval

_TILE_PHOTOS = 16
"""Of a unit of comparison, which takes a third of a second."""


def choose_pairs(
    photos: Sequence[Photo],
    sequence: bool,
    found: Sequence[Ref[Features]],
    config: PipelineConfig,
    run: Executor,
    again: str = "",
) -> NDArray[np.int32]:
    """Which photographs to match, int32 [P, 2].

    Args:
        photos: the usable ones.
        sequence: whether they are the frames of a video.
        found: features of each; none are needed where :func:`e2e3d.stages.pairs.need_features` says so.
        config: settings of every stage.
        run: executes the units.
        again: ends the names of passes that run a second time.
    """
    count = len(photos)
    described = pairs.needs_descriptors(count, sequence, config.pairs)
    descriptors = _describe_photos(found, run, again) if described else ()
    choice = pairs.PairsInputs(count, sequence, tuple(photo.gps for photo in photos), tuple(descriptors))
    (chosen,) = run.map(pairs.STAGE, [choice], config.pairs, f"{pairs.STAGE.name}{again}")
    if pairs.needs_comparison(count, sequence, config.pairs):
        overlaps = _compare(chosen.load().pairs, found, config, run, again)
        compared = pairs.ChoiceInputs(count, tuple(overlaps))
        (chosen,) = run.map(pairs.CHOICE_STAGE, [compared], config.pairs, f"{pairs.CHOICE_STAGE.name}{again}")
    return chosen.load().pairs


def link_pairs(
    count: int, matches: Sequence[Ref[MatchBlock]], config: PipelineConfig, run: Executor, again: str = ""
) -> NDArray[np.int32]:
    """Which of `count` photographs to match besides, int32 [P, 2], by the matches of those that overlap."""
    unit = pairs.LinkInputs(count, tuple(matches))
    (linked,) = run.map(pairs.LINK_STAGE, [unit], config.pairs, f"{pairs.LINK_STAGE.name}{again}")
    return linked.load().pairs


def _describe_photos(found: Sequence[Ref[Features]], run: Executor, again: str) -> list[Ref[GlobalDescriptor]]:
    """One vector a photograph, over a vocabulary of the set's own descriptors."""
    words = retrieval.VocabularyInputs(tuple(found))
    label = f"{retrieval.VOCABULARY_STAGE.name}{again}"
    (vocabulary,) = run.map(retrieval.VOCABULARY_STAGE, [words], retrieval.VocabularyConfig(), label)
    units = [retrieval.RetrievalInputs(one, vocabulary) for one in found]
    return run.map(retrieval.STAGE, units, retrieval.RetrievalConfig(), f"{retrieval.STAGE.name}{again}")


def _compare(
    candidates: NDArray[np.int32], found: Sequence[Ref[Features]], config: PipelineConfig, run: Executor, again: str
) -> list[Ref[PairOverlaps]]:
    """What the pairs have in common, in blocks that touch few photographs."""
    units = []
    for block in plan_blocks(candidates, len(found), _TILE_PHOTOS):
        photos = tuple(np.unique(block).tolist())
        members = tuple(found[i] for i in photos)
        units.append(overlap.OverlapInputs(tuple((int(i), int(j)) for i, j in block), photos, members))
    settings = OverlapConfig(
        config.pairs.compared_features, config.matching.max_ratio, config.matching.max_distance_rad
    )
    return run.map(overlap.STAGE, units, settings, f"{overlap.STAGE.name}{again}")
