"""Mapping of a large set in parts, each a unit of its own: workers share them, and a dead one costs only its own."""

from __future__ import annotations

from collections.abc import Sequence

from e2e3d.config.mapping import MappingConfig, mapped_parts
from e2e3d.data.features import Features, MatchBlock
from e2e3d.data.photo import Photo
from e2e3d.data.photo_parts import PartModels, PhotoPart
from e2e3d.data.ref import Ref
from e2e3d.pipeline.executor import Executor
from e2e3d.stages import mapping_parts


def map_parts(
    photos: Sequence[Photo],
    config: MappingConfig,
    run: Executor,
    found: Sequence[Ref[Features]],
    matches: Sequence[Ref[MatchBlock]],
    again: str = "",
) -> tuple[Ref[PartModels], ...]:
    """Models of the parts of a set that is too large to be mapped at once; none for others.

    Args:
        photos: the usable ones.
        config: of mapping.
        run: executes the units.
        found: features of each photograph.
        matches: all verified ones, in blocks.
        again: ends the names of passes that run a second time.
    """
    if mapped_parts(len(photos), config) < 2:
        return ()
    whole = mapping_parts.PartsInputs(len(photos), tuple(matches))
    (parts,) = run.map(mapping_parts.PLAN_STAGE, [whole], config, f"{mapping_parts.PLAN_STAGE.name}{again}")
    units = [_unit(part, photos, found, matches) for part in parts.load().parts]
    return tuple(run.map(mapping_parts.STAGE, units, config, f"{mapping_parts.STAGE.name}{again}"))


def _unit(
    part: PhotoPart, photos: Sequence[Photo], found: Sequence[Ref[Features]], matches: Sequence[Ref[MatchBlock]]
) -> mapping_parts.PartInputs:
    members = part.photos.tolist()
    return mapping_parts.PartInputs(
        members=tuple(members),
        photos=tuple(photos[i] for i in members),
        features=tuple(found[i] for i in members),
        blocks=tuple(matches[i] for i in part.blocks.tolist()),
    )
